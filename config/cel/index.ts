/** Expressions in the Common Expression Language: those over pods, and the validation rules of kinds. */
export {
  compilePodExpression,
  formatExpressionProblem,
  FUNCTIONS,
  MAX_STEPS,
  type CompiledExpression,
  type PodExpression,
} from "./expression";
export { rulesOf, satisfies } from "./rules";
export { POD_FIELDS, readableFields, type FieldType, type PodFields } from "./pod";
