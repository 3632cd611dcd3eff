import type * as cel from "@marcbachmann/cel-js";

/**
 * Returns the CEL library. It is loaded with the first expression: most platforms have none, and the programs of pods that share
 * `config` never evaluate one.
 */
export function library(): typeof cel {
  // eslint-disable-next-line typescript/no-require-imports
  return require("@marcbachmann/cel-js") as typeof cel;
}

/** What an expression is wrong with, and where in its text. Offsets count UTF-16 code units. */
export interface ExpressionProblem {
  readonly message: string;
  readonly start: number;
  readonly end: number;
}

/** Returns what an error of the library reports. */
export function problemOf(error: unknown, text: string): ExpressionProblem {
  const { summary, message, range } = error as {
    readonly summary?: string;
    readonly message: string;
    readonly range?: { readonly start: number; readonly end: number };
  };
  const { start, end } = range ?? { start: 0, end: text.length };
  const [first = ""] = (summary ?? message).split("\n");
  return { message: first, start, end };
}

/** A node of a parsed expression, as far as this toolkit reads it. */
export interface Node {
  readonly op: string;
  readonly args: unknown;
  readonly start: number;
  readonly end: number;
}

/** Visits a node and those below it. */
export function visitNodes(node: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(node)) {
    for (const one of node) visitNodes(one, visit);
    return;
  }
  if (typeof node !== "object" || node === null || !("op" in node)) return;
  visit(node as Node);
  visitNodes((node as Node).args, visit);
}

/** The part of the library's evaluator that macros get. */
interface Evaluator {
  run: (node: unknown, context: unknown) => unknown;
}

/**
 * Limits the cost of each evaluation in an environment. The library bounds the length of an expression but not what it computes:
 * nested macros multiply, and concatenations in them double. A step is the evaluation of one node, and a part of the length of its
 * result.
 */
export class Budget {
  private left = 0;

  /**
   * @param maxSteps steps of one evaluation
   */
  constructor(
    environment: cel.Environment,
    private readonly maxSteps: number,
  ) {
    let evaluator: Evaluator | undefined;
    environment.registerFunction("capture_(ast): bool", () => ({
      typeCheck: (checker: { getType(name: string): unknown }) => checker.getType("bool"),
      evaluate: (one: Evaluator) => {
        evaluator = one;
        return true;
      },
    }));
    environment.evaluate("capture_(true)");
    if (evaluator === undefined) throw new Error("the CEL library passes no evaluator to macros");
    const captured = evaluator;
    const run = captured.run.bind(captured);
    captured.run = (node, context) => {
      this.spend(1);
      const value = run(node, context);
      this.spend(sizeOf(value));
      return value;
    };
  }

  /**
   * Evaluates within the budget.
   * @throws Error if it does not suffice, also where CEL ignores errors: `expensive || true`
   */
  within<T>(evaluate: () => T): T {
    this.left = this.maxSteps;
    const value = evaluate();
    if (this.left < 0) throw this.exceeded();
    return value;
  }

  private spend(steps: number): void {
    this.left -= steps;
    if (this.left < 0) throw this.exceeded();
  }

  private exceeded(): Error {
    return new Error(`needs more than ${this.maxSteps} steps`);
  }
}

/** Characters and items that cost a step. */
const CHARACTERS = 64;
const ITEMS = 8;

function sizeOf(value: unknown): number {
  if (typeof value === "string") return Math.floor(value.length / CHARACTERS);
  return Array.isArray(value) ? Math.floor(value.length / ITEMS) : 0;
}
