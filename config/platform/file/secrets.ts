import { isScalar, visit, type Document } from "yaml";
import { SECRET_SHAPES, type Problem } from "../../schema/problem";

/** Describes a secret in the text, with its range. */
export interface FoundSecret {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** Its kind, such as `an AWS access key id`. */
  readonly what: string;
}

/** Matches property names whose plain value is a secret, by their last words. */
const SECRET_WORDS =
  /(?:^|[^a-z])(?:token|password|passwd|passphrase|pwd|credentials?|api_?-?key|private_?-?key|client_?-?secret|secret_?-?(?:access_?-?)?key|access_?-?key(?:_?-?id)?)$/;

/** Finds secrets in the order of the text: strings in known formats, and plain values of properties named like a secret. */
export function findSecrets(text: string, document: Document | undefined): FoundSecret[] {
  const found = [...byShape(text), ...(document ? byName(document, text) : [])];
  let end = -1;
  return found
    .toSorted((a, b) => a.start - b.start || b.end - a.end)
    .filter((secret) => {
      const isNew = secret.end > end;
      end = Math.max(end, secret.end);
      return isNew;
    });
}

function byShape(text: string): FoundSecret[] {
  return SECRET_SHAPES.flatMap(([what, shape]) =>
    Array.from(text.matchAll(shape), ({ 0: secret, index: start }) => {
      return { start, end: start + secret.length, text: secret, what };
    }),
  );
}

function byName(document: Document, text: string): FoundSecret[] {
  const found: FoundSecret[] = [];
  const add = (name: unknown, node: unknown) => {
    if (!isSecretName(name) || !isScalar(node) || !node.range) return;
    const isPlain = (typeof node.value === "string" && node.value !== "") || typeof node.value === "number";
    const [start, end] = node.range;
    if (isPlain) found.push({ start, end, text: text.slice(start, end), what: "a secret" });
  };
  visit(document, {
    Pair: (_, { key, value }) => add(isScalar(key) ? key.value : undefined, value),
    Map: (_, map) => add(map.get("name"), map.get("value", true)),
  });
  return found;
}

function isSecretName(name: unknown): boolean {
  if (typeof name !== "string") return false;
  const words = name.replaceAll(/([a-z\d])([A-Z])/g, "$1_$2").toLowerCase();
  return SECRET_WORDS.test(words);
}

/** Returns the problem of a secret, without its text. */
export function secretProblem({ what }: FoundSecret): Problem {
  return {
    code: "secret-in-plain-text",
    path: [],
    message: `looks like ${what} in plain text`,
    allowed: "a reference to a Kubernetes Secret: { name, key }",
    remedy: "revoke it, and store a new one in a Secret",
  };
}

/** Removes values of the file from a problem, if the file has secrets. */
export function redact(problem: Problem, secrets: readonly FoundSecret[]): Problem {
  if (secrets.length === 0) return problem;
  const { given: _given, remedy, allowed, ...rest } = problem;
  const clean = (text: string) => secrets.reduce(withoutSecret, text);
  return {
    ...rest,
    path: problem.path.map((part) => (typeof part === "string" ? clean(part) : part)),
    message: clean(problem.message),
    ...(allowed !== undefined && { allowed: clean(allowed) }),
    ...(remedy !== undefined && problem.code !== "wrong-type" && { remedy: clean(remedy) }),
  };
}

/** Minimum length of a masked secret. Shorter ones would match parts of words. Problems do not contain them: `given` is removed. */
const MIN_LENGTH = 6;

function withoutSecret(text: string, secret: FoundSecret): string {
  const bare = secret.text.replaceAll(/^["']|["']$/g, "");
  return bare.length < MIN_LENGTH ? text : text.replaceAll(bare, "[secret]");
}
