import type { Arbitrary } from "fast-check";

/** One reader of input that this project does not control, and what must hold for every input. */
export interface Target<T = unknown> {
  /** Letters, digits and hyphens. */
  readonly name: string;
  /** What it reads, and from whom. */
  readonly reads: string;
  readonly inputs: Arbitrary<T>;
  /** Checks one input. @throws any error if a property does not hold */
  check(input: T): void | Promise<void>;
  /** Inputs of one slice. Default: 2,000. */
  readonly runs?: number;
}

/** Returns the target as one of any input: the generator and the check belong together. */
export function target<T>(definition: Target<T>): Target {
  return definition;
}

/** A property that an input violates. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** @throws Violation unless the condition holds */
export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Violation(message);
}

/** A message that a person reads in a terminal or a status: not empty, and not a copy of the input. */
const MAX_MESSAGE = 20_000;

type ErrorClass = abstract new (...values: never[]) => Error;

/** What a call returned, or the error that it is allowed to throw. */
export type Result<T> =
  | { readonly value: T; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: Error };

/** Calls a reader. @throws Violation if it throws another error than one of these classes */
export function attempt<T>(call: () => T, ...allowed: readonly ErrorClass[]): Result<T> {
  try {
    return { value: call() };
  } catch (error) {
    return { error: expected(error, allowed) };
  }
}

/** Calls an asynchronous reader. @throws as `attempt` */
export async function attemptAsync<T>(
  call: () => Promise<T>,
  ...allowed: readonly ErrorClass[]
): Promise<Result<T>> {
  try {
    return { value: await call() };
  } catch (error) {
    return { error: expected(error, allowed) };
  }
}

/** `Error` allows errors of that class itself only: neither TypeError nor RangeError is one that a reader intends. */
function expected(error: unknown, allowed: readonly ErrorClass[]): Error {
  if (!(error instanceof Error)) throw new Violation(`threw ${String(error)}, which is not an Error`);
  const isAllowed = allowed.some((one) =>
    one === Error ? error.constructor === Error : error instanceof one,
  );
  if (!isAllowed)
    throw new Violation(`threw ${error.name}, which no caller handles: ${error.message}`, { cause: error });
  must(error.message.trim() !== "", `threw ${error.name} without a message`);
  must(
    error.message.length <= MAX_MESSAGE,
    `threw ${error.name} with a message of ${error.message.length} characters`,
  );
  return error;
}

const PROTOTYPES = [Object.prototype, Array.prototype, Function.prototype, String.prototype];
const NAMES = PROTOTYPES.map((prototype) => Reflect.ownKeys(prototype).length);

/** @throws Violation if an input has added a property to a prototype of all objects. Removes it first */
export function checkPrototypes(): void {
  PROTOTYPES.forEach((prototype, at) => {
    const keys = Reflect.ownKeys(prototype);
    if (keys.length === NAMES[at]) return;
    const added = keys.slice(NAMES[at]);
    for (const key of added) Reflect.deleteProperty(prototype, key);
    throw new Violation(`added ${added.map(String).join(", ")} to a prototype of all objects`);
  });
}
