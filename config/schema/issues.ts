import { distance } from "fastest-levenshtein";
import * as v from "./valibot";
import { InvalidInputError, printable, type Problem, type PropertyPath } from "./problem";
import { INTEGER, type Rule } from "./rule";
import type { NotAMapping, UnknownKey } from "./shape";

/** Shortest word whose longer forms are recognized. */
const MIN_STEM = 4;

/** Returns the known word with the smallest edit distance, undefined if none is close enough. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let stem: string | undefined;
  let least = Infinity;
  for (const candidate of known) {
    const isStem = candidate.length >= MIN_STEM && word.toLowerCase().startsWith(candidate.toLowerCase());
    if (isStem && candidate.length > (stem?.length ?? 0)) stem = candidate;
    const edits = distance(word.toLowerCase(), candidate.toLowerCase());
    if (edits < least) [best, least] = [candidate, edits];
  }
  // A longer form of a word, such as "warning" for "warn", has more edits.
  return least <= Math.max(2, Math.floor(word.length / 3)) ? best : stem;
}

type Issue = v.BaseIssue<unknown>;

const NOUNS: Readonly<Record<string, string>> = {
  strict_object: "a mapping",
  object: "a mapping",
  record: "a mapping",
  array: "a list",
  tuple: "a list",
  string: "a string",
  number: "a number",
  boolean: "true or false",
};

/** Converts a valibot issue to a problem. A key without a value is reported in the same words for all types. */
export function toProblem(issue: Issue): Problem {
  const problem = problemOf(issue);
  if (issue.input !== null || problem.given === undefined) return problem;
  return { ...problem, message: "has no value", given: "nothing", remedy: "set a value, or remove it" };
}

function problemOf(issue: Issue): Problem {
  const path = (issue.path ?? []).map((item) => item.key as string | number);
  if (issue.type === "union") return noAlternative(path, issue);
  if (typeof issue.requirement === "number") return wrongLength(path, issue, issue.requirement);
  const requirement = issue.requirement as Rule<unknown> | UnknownKey | NotAMapping | undefined;
  if (requirement && "known" in requirement) return unknownKey(path, requirement);
  if (issue.received === "undefined" && isKey(issue))
    return { code: "missing", path, message: "is required" };
  if (issue.type === "raw_check") return ruleViolation(path, issue, requirement as Rule<unknown>);
  if (issue.type === "picklist" || issue.type === "variant" || issue.type === "literal") {
    return notAllowed(path, issue);
  }
  const noun = issue.type === "number" && issue.message === INTEGER ? INTEGER : NOUNS[issue.type];
  const keys = requirement && "keys" in requirement ? requirement.keys : [];
  if (noun) return wrongType(path, issue, noun, keys);
  return { code: issue.type, path, message: issue.message, given: printable(issue.input) };
}

function isKey(issue: Issue): boolean {
  const last = issue.path?.at(-1);
  return last !== undefined && "origin" in last && last.origin === "key";
}

function unknownKey(path: PropertyPath, { known }: UnknownKey): Problem {
  const suggestion = nearest(String(path.at(-1)), known);
  return {
    code: "unknown-key",
    path,
    message: "is not a known property",
    allowed: known.join(", "),
    ...(suggestion === undefined ? {} : { remedy: `did you mean ${suggestion}?` }),
  };
}

function ruleViolation(path: PropertyPath, issue: Issue, rule: Rule<unknown>): Problem {
  return {
    code: rule.code,
    path,
    message: rule.message,
    ...(rule.secret || rule.whole ? {} : { given: printable(issue.input) }),
    ...(rule.allowed === undefined ? {} : { allowed: rule.allowed }),
    ...(rule.remedy === undefined ? {} : { remedy: rule.remedy }),
  };
}

function notAllowed(path: PropertyPath, issue: Issue): Problem {
  const allowed = (issue.expected ?? "")
    .replace(/^\(|\)$/g, "")
    .split(" | ")
    .map(unquoted);
  const suggestion = typeof issue.input === "string" ? nearest(issue.input, allowed) : undefined;
  return {
    code: issue.input === undefined ? "missing" : "not-allowed",
    path,
    message: issue.input === undefined ? "is required" : "is not one of the allowed values",
    ...(issue.input === undefined ? {} : { given: printable(issue.input) }),
    allowed: allowed.join(", "),
    ...(suggestion === undefined ? {} : { remedy: `did you mean ${suggestion}?` }),
  };
}

function unquoted(text: string): string {
  return text.replace(/^"|"$/g, "");
}

/** Longest list of keys in a message. A longer one is not readable. */
const MAX_KEYS = 8;

function wrongType(path: PropertyPath, issue: Issue, noun: string, keys: readonly string[]): Problem {
  const quote = noun === "a string" && ["number", "boolean"].includes(typeof issue.input);
  return {
    code: "wrong-type",
    path,
    message: `is not ${noun}`,
    given: printable(issue.input),
    allowed: keys.length > 0 && keys.length <= MAX_KEYS ? `${noun} with ${keys.join(", ")}` : noun,
    ...(quote ? { remedy: `quote it: "${String(issue.input)}"` } : {}),
  };
}

/** Returns one problem that lists all alternatives of a union. `oneOf` reports the closest one if the value has its type. */
function noAlternative(path: PropertyPath, issue: Issue): Problem {
  const forms = (issue.issues ?? []).map(toProblem).map((problem) => problem.allowed ?? problem.message);
  return {
    code: "wrong-type",
    path,
    message: "does not match any allowed form",
    given: printable(issue.input),
    allowed: [...new Set(forms)].join(" or "),
  };
}

/** Converts an issue of minLength or maxLength, of a string or list. */
function wrongLength(path: PropertyPath, issue: Issue, bound: number): Problem {
  const isText = typeof issue.input === "string";
  const unit = isText ? "characters" : "entries";
  const units = bound === 1 ? (isText ? "character" : "entry") : unit;
  const short = issue.type === "min_length";
  return {
    code: "wrong-length",
    path,
    message: short ? `has too few ${unit}` : `has too many ${unit}`,
    given: printable(issue.input),
    allowed: `${short ? "at least" : "at most"} ${bound} ${units}`,
  };
}

/** Checks several properties of a value that matches its schema. */
export type CrossCheck<T> = (value: T) => readonly Problem[];

export type Checked<T> =
  | { readonly value: T; readonly problems?: undefined }
  | { readonly problems: readonly Problem[] };

/** Checks an input by its schema, then, if it is valid, by the cross checks. Returns the value with its defaults. */
export function check<const S extends v.GenericSchema>(
  schema: S,
  input: unknown,
  ...crossChecks: readonly CrossCheck<v.InferOutput<S>>[]
): Checked<v.InferOutput<S>> {
  const result = v.safeParse(schema, input);
  if (!result.success) return { problems: result.issues.map(toProblem) };
  const problems = crossChecks.flatMap((crossCheck) => crossCheck(result.output));
  return problems.length > 0 ? { problems } : { value: result.output };
}

/**
 * Returns the input with its defaults.
 * @throws InvalidInputError with `subject` and all problems
 */
export function resolve<const S extends v.GenericSchema>(
  subject: string,
  schema: S,
  input: unknown,
  ...crossChecks: readonly CrossCheck<v.InferOutput<S>>[]
): v.InferOutput<S> {
  const checked = check(schema, input, ...crossChecks);
  if (checked.problems) throw new InvalidInputError(subject, checked.problems);
  return checked.value;
}
