import {
  compilePodExpression,
  formatExpressionProblem,
  readableFields,
  type CompiledExpression,
} from "../../../config/cel";
import { BoundedMap } from "../../../kube";
import type { Filter } from "../core/types";

/** Expressions that are kept compiled, by their text: the last used ones. Compiling one takes about 1 ms. */
const compiled = new BoundedMap<CompiledExpression>(500);

function compile(text: string): CompiledExpression {
  return compiled.set(text, compiled.get(text) ?? compilePodExpression(text));
}

/** A pod whose fields are unknown. */
const NONE = readableFields({});

/** Pods for which a CEL expression is true. An error, such as a field that the pod does not have, is reported by the policy. */
export const expression: Filter<string> = {
  problem(text) {
    const result = compile(text);
    return "problem" in result
      ? `filter.expression is invalid: ${formatExpressionProblem(text, result.problem)}`
      : undefined;
  },

  matches(text, { fields }) {
    const result = compile(text);
    if ("problem" in result) throw new Error(result.problem.message);
    return result.expression.evaluate(fields ?? NONE);
  },
};
