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

/** A node with the function that computes its value. */
interface Callable {
  readonly op: string;
  readonly args: unknown;
  handle: (...values: readonly unknown[]) => unknown;
}

/**
 * Limits the cost of each evaluation in an environment. The library bounds the length of an expression but not what it computes:
 * nested macros multiply, and concatenations in them double. A step is the evaluation of one node, a part of the length of its
 * result, and a part of the comparisons that it makes.
 */
export class Budget {
  private left = 0;
  private readonly guarded = new WeakSet<Callable>();

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
      this.guard(node);
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

  /**
   * Charges a node whose cost is not linear in what it is given, before each call of its function. The library stores the function
   * in `handle` when it checks the types. It evaluates the root of an expression by itself, so that must be guarded before.
   */
  guard(node: unknown): void {
    const { op, args, handle } = node as Partial<Callable>;
    if (handle === undefined || this.guarded.has(node as Callable)) return;
    const charge = this.chargeOf(String(op), args);
    if (charge === undefined) return;
    const charged = node as Callable;
    charged.handle = (...values: readonly unknown[]) => {
      charge(values);
      return handle(...values);
    };
    this.guarded.add(charged);
  }

  /** @returns what charges a call of an operator or function; undefined if the number of its nodes and its values limit its cost */
  private chargeOf(op: string, args: unknown): ((values: readonly unknown[]) => void) | undefined {
    // Both find the first difference: they visit at most what one side has.
    if (op === "==" || op === "!=") return ([left]) => this.weigh(left);
    if (op === "in") return ([, all]) => this.weigh(all);
    if (op !== "rcall" && op !== "call") return undefined;
    const [name] = args as readonly unknown[];
    if (op === "rcall" && name === "contains")
      return ([values]) => {
        const [text, part] = values as readonly unknown[];
        this.spend(Math.floor((lengthOf(text) * lengthOf(part)) / COMPARISONS));
      };
    // The library's pattern of durations tries each part of a number from each of its digits.
    if (op === "call" && name === "duration")
      return ([values]) =>
        this.spend(Math.floor(lengthOf((values as readonly unknown[])[0]) ** 3 / COMPARISONS));
    return undefined;
  }

  /** Charges a value with all that it contains, as often as it contains it: lists of lists may share theirs. */
  private weigh(value: unknown): void {
    this.spend(sizeOf(value));
    if (Array.isArray(value))
      for (const one of value as readonly unknown[]) {
        if (typeof one !== "object" || one === null) this.spend(sizeOf(one));
        else {
          this.spend(1);
          this.weigh(one);
        }
      }
    else if (isMap(value)) for (const one of Object.values(value)) this.spend(sizeOf(one));
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
/** Comparisons of characters that cost a step, where their number is a product of lengths. With 5000 steps: 20 million. */
const COMPARISONS = 4096;

function sizeOf(value: unknown): number {
  if (typeof value === "string") return Math.floor(value.length / CHARACTERS);
  if (Array.isArray(value)) return Math.floor(value.length / ITEMS);
  return isMap(value) ? Math.floor(Object.keys(value).length / ITEMS) : 0;
}

function lengthOf(value: unknown): number {
  return typeof value === "string" ? value.length : 0;
}

/** Returns whether a value is a map of a pod, such as its labels. Other objects have a class. */
function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
