import { isMap, isScalar, visit, type Document, type Node, type Scalar } from "yaml";
import type { Problem } from "../schema/problem";
import { SECRET_SHAPES } from "../schema/secret-shapes";

/** A secret in the text, by its range. */
export interface FoundSecret {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** What it looks like: `an AWS access key id`. */
  readonly what: string;
}

/** What an AWS secret access key looks like; counts only if it is as random as one. */
const AWS_SECRET_KEY = /(?<![\w/+])[A-Za-z0-9/+]{40}(?![\w/+=])/g;

/** Words at the end of a property's name whose plain value is a secret. */
const SECRET_WORDS =
  /(?:^|[^a-z])(?:token|password|passwd|passphrase|pwd|credentials?|api_?-?key|private_?-?key|client_?-?secret|secret_?-?(?:access_?-?)?key|access_?-?key(?:_?-?id)?)$/;

/** Every secret in the text, in its order: those known by their shape, and plain values of properties named like one. */
export function findSecrets(text: string, document: Document | undefined): FoundSecret[] {
  const found = [...byShape(text), ...(document ? byName(document, text) : [])];
  let end = -1;
  return found
    .toSorted((a, b) => a.start - b.start || b.end - a.end)
    .filter((secret) => {
      const fresh = secret.end > end;
      end = Math.max(end, secret.end);
      return fresh;
    });
}

function byShape(text: string): FoundSecret[] {
  const known = SECRET_SHAPES.flatMap(([what, shape]) =>
    Array.from(text.matchAll(shape), (match) => secretAt(match.index, match[0], what)),
  );
  const keys = Array.from(text.matchAll(AWS_SECRET_KEY))
    .filter(([key]) => isRandom(key))
    .map((match) => secretAt(match.index, match[0], "an AWS secret access key"));
  return [...known, ...keys];
}

function secretAt(start: number, text: string, what: string): FoundSecret {
  return { start, end: start + text.length, text, what };
}

/** 40 random characters of base64 carry 4.7 bits each and all kinds of letters; paths and names stay below 4.3. */
function isRandom(text: string): boolean {
  if (!/[a-z]/.test(text) || !/[A-Z]/.test(text) || !/\d/.test(text)) return false;
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  const bits = [...counts.values()].reduce(
    (sum, count) => sum - (count / text.length) * Math.log2(count / text.length),
    0,
  );
  return bits > 4.3;
}

function byName(document: Document, text: string): FoundSecret[] {
  const found: FoundSecret[] = [];
  const add = (name: unknown, value: unknown) => {
    if (!isSecretName(name) || !isPlain(value)) return;
    const [start, end] = value.range;
    found.push({ start, end, text: text.slice(start, end), what: "a secret in plain text" });
  };
  visit(document, {
    Pair: (_, { key, value }) => add(isScalar(key) ? key.value : undefined, value),
    Map: (_, map) => {
      const entry = map.items.map(({ key, value }) => [isScalar(key) ? key.value : "", value] as const);
      const name = entry.find(([key]) => key === "name")?.[1];
      const value = entry.find(([key]) => key === "value")?.[1];
      if (isScalar(name) && value !== undefined) add(name.value, value);
    },
  });
  return found;
}

function isSecretName(name: unknown): boolean {
  if (typeof name !== "string") return false;
  const words = name.replaceAll(/([a-z\d])([A-Z])/g, "$1_$2").toLowerCase();
  return SECRET_WORDS.test(words);
}

function isPlain(node: unknown): node is Scalar & { range: readonly [number, number, number] } {
  if (!isScalar(node) || !node.range) return false;
  return (typeof node.value === "string" && node.value !== "") || typeof node.value === "number";
}

/** The problem of a secret; its text is not in it. */
export function secretProblem(secret: FoundSecret): Omit<Problem, "path"> {
  return {
    code: "secret-in-plain-text",
    message: `looks like ${secret.what}; it would lie in the repository for everyone who can read it`,
    allowed: "a reference to a Kubernetes Secret: { name, key }",
    remedy: "take it out, make a new one, and put that into a Secret",
  };
}

/** The problem without what the file holds in the range of a secret, and without its text anywhere else. */
export function redact(
  problem: Problem,
  range: readonly [number, number],
  node: Node | undefined,
  secrets: readonly FoundSecret[],
): Problem {
  if (secrets.length === 0) return problem;
  const [start, end] =
    isMap(node) && node.range ? [Math.min(range[0], node.range[0]), node.range[1]] : span(range, node);
  const touches = secrets.some((secret) => secret.start < end && start < secret.end);
  const { given, remedy, ...rest } = problem;
  const clean = (text: string) => scrub(text, secrets);
  return {
    ...rest,
    path: problem.path.map((part) => (typeof part === "string" ? clean(part) : part)),
    message: clean(problem.message),
    ...(given === undefined || touches || given.endsWith("...") ? {} : { given: clean(given) }),
    ...(problem.allowed === undefined ? {} : { allowed: clean(problem.allowed) }),
    ...(remedy === undefined || (touches && problem.code === "wrong-type") ? {} : { remedy: clean(remedy) }),
  };
}

function span(range: readonly [number, number], node: Node | undefined): readonly [number, number] {
  const whole = node?.range;
  return whole ? [Math.min(range[0], whole[0]), Math.max(range[1], whole[1])] : range;
}

function scrub(text: string, secrets: readonly FoundSecret[]): string {
  return secrets.reduce((clean, secret) => {
    const bare = secret.text.replaceAll(/^["']|["']$/g, "");
    return bare.length < 6 ? clean : clean.replaceAll(bare, "[secret]");
  }, text);
}
