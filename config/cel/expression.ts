import type { Environment } from "@marcbachmann/cel-js";
import { MAX_EXPRESSION } from "../../api";
import { Budget, library, problemOf, visitNodes, type ExpressionProblem, type Node } from "./library";
import { PodTypes, type PodFields } from "./pod";

/** Steps of one evaluation. A macro over a pod with 20 containers and a condition of ten nodes needs 300. */
export const MAX_STEPS = 5000;

/** Functions and macros that give the same result as in the API server. */
export const FUNCTIONS = [
  "has",
  "all",
  "exists",
  "exists_one",
  "filter",
  "map",
  "size",
  "startsWith",
  "endsWith",
  "contains",
  "timestamp",
  "duration",
] as const;

/** An expression over a pod that is valid. */
export interface PodExpression {
  /**
   * Evaluates it for a pod.
   * @param fields - as `readableFields` returns them
   * @throws Error if a field is missing, or it needs more than MAX_STEPS steps
   */
  evaluate(fields: PodFields): boolean;
}

export type CompiledExpression =
  | { readonly expression: PodExpression }
  | { readonly problem: ExpressionProblem };

/** The environment of expressions over pods. Created with the first one. */
class Pods {
  private readonly environment: Environment;
  /** Checks the arguments of `has`, which the library does not. */
  private readonly strict: Environment;
  private readonly budget: Budget;
  private readonly types: PodTypes;

  constructor() {
    const { Environment: Library } = library();
    const limits = { maxAstNodes: 500, maxDepth: 40, maxListElements: 100, maxCallArguments: 4 };
    this.environment = new Library({ limits });
    this.types = new PodTypes(this.environment);
    this.budget = new Budget(this.environment, MAX_STEPS);
    this.strict = this.environment.clone().registerFunction(`${HAS}(dyn): bool`, () => true);
  }

  compile(text: string): CompiledExpression {
    if (text.length > MAX_EXPRESSION)
      return {
        problem: {
          message: `is longer than ${MAX_EXPRESSION} characters`,
          start: MAX_EXPRESSION,
          end: text.length,
        },
      };
    try {
      const evaluate = this.environment.parse(text);
      const nodes = nodesOf(evaluate.ast);
      const problem =
        unsupported(nodes) ??
        typeProblem(evaluate.check(), text) ??
        typeProblem(this.strict.check(strictly(text, nodes)), text);
      if (problem) return { problem };
      this.budget.guard(evaluate.ast);
      return {
        expression: {
          evaluate: (fields) =>
            this.budget.within(() => evaluate(this.types.variables(fields)) as unknown) === true,
        },
      };
    } catch (error) {
      return { problem: problemOf(error, text) };
    }
  }
}

/** A name of the same length as `has`, so that positions do not change. */
const HAS = "_s_";

/** Replaces `has(pod.a.b)` by a function of pod.a.b, whose type is checked. */
function strictly(text: string, nodes: readonly Node[]): string {
  let replaced = text;
  for (const { op, args, start } of nodes)
    if (op === "call" && (args as readonly unknown[])[0] === "has")
      replaced = `${replaced.slice(0, start)}${HAS}${replaced.slice(start + HAS.length)}`;
  return replaced;
}

function nodesOf(ast: unknown): readonly Node[] {
  const nodes: Node[] = [];
  visitNodes(ast, (node) => nodes.push(node));
  return nodes;
}

/** Finds a function, or a value, that is not known to behave as in the API server. */
function unsupported(nodes: readonly Node[]): ExpressionProblem | undefined {
  for (const { op, args, start, end } of nodes) {
    const name = op === "call" || op === "rcall" ? String((args as readonly unknown[])[0]) : undefined;
    if (name !== undefined && !(FUNCTIONS as readonly string[]).includes(name))
      return {
        message: `function ${name} is not available; available are ${FUNCTIONS.join(", ")}`,
        start,
        end,
      };
    if (op === "map" || args instanceof Uint8Array)
      return { message: `a value of type ${op === "map" ? "map" : "bytes"} is not available`, start, end };
  }
  return undefined;
}

function typeProblem(
  { valid, type, error }: { readonly valid: boolean; readonly type?: string; readonly error?: Error },
  text: string,
): ExpressionProblem | undefined {
  if (!valid) return problemOf(error, text);
  if (type === "bool") return undefined;
  return { message: `is of type ${type ?? "unknown"}, not bool`, start: 0, end: text.length };
}

let pods: Pods | undefined;

/** Compiles an expression over the variable `pod`, or returns what is wrong with it and where. */
export function compilePodExpression(text: string): CompiledExpression {
  return (pods ??= new Pods()).compile(text);
}

/** Formats a problem for people: `character 14: No such key: nam`, with the line if there are several. */
export function formatExpressionProblem(text: string, { message, start }: ExpressionProblem): string {
  const before = text.slice(0, start).split("\n");
  const line = text.trimEnd().includes("\n") ? `line ${before.length}, ` : "";
  return `${line}character ${(before.at(-1)?.length ?? 0) + 1}: ${message}`;
}
