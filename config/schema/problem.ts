/** Problems of an input, and the detection of secrets that no problem may repeat. */

/**
 * Lists the published formats of secrets, by issuer. Each expression is global: use matchAll or replaceAll, which keep no
 * state between calls.
 */
export const SECRET_SHAPES: readonly (readonly [what: string, shape: RegExp])[] = [
  ["an AWS access key id", /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g],
  ["a GitHub token", /\b(?:gh[oprsu]_[A-Za-z0-9]{36,}|github_pat_\w{22,})/g],
  ["a GitLab token", /\bglpat-[\w-]{20,}/g],
  ["a Slack token", /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/g],
  ["a Hugging Face token", /\bhf_[A-Za-z0-9]{30,}/g],
  ["a secret API key", /\bsk[-_](?:live[-_]|test[-_]|ant[-_]|proj[-_])?[A-Za-z0-9_-]{24,}/g],
  // The two assertions keep the time proportional to the length: each word is read to its end once, not from each `eyJ` in it.
  ["a JSON Web Token", /(?<![\w-])(?=[\w-]*\.eyJ[\w-]{8,}\.)[\w-]*?\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*/g],
  ["a private key", /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*-----)?/g],
  ["a password in a URL", /(?<=:\/\/[^\s/:@"']{0,64}:)[^\s/:@"']+(?=@)/g],
];

/** Returns the text with `[secret]` in place of each substring that has the format of a secret. */
export function maskSecrets(text: string): string {
  return SECRET_SHAPES.reduce((masked, [, shape]) => masked.replaceAll(shape, "[secret]"), text);
}

/** Locates a value in the input: property names and list indexes, from the root of the checked value. */
export type PropertyPath = readonly (string | number)[];

/**
 * Describes one error in an input. Checks return all problems instead of throwing at the first one, so that a user sees
 * all of them in one run.
 */
export interface Problem {
  /** Stable identifier in kebab-case for tests and scripts, such as `unknown-key`. */
  readonly code: string;
  readonly path: PropertyPath;
  /** What is wrong, as a clause without a full stop: `is not a CIDR block`. */
  readonly message: string;
  /** The given value in printable form. Undefined if it could contain a secret. */
  readonly given?: string;
  /** The allowed values. */
  readonly allowed?: string;
  /** How to fix it, as an instruction. */
  readonly remedy?: string;
}

/** Formats a path as `nodeGroups[0].scaling.min`, and the root as `(root)`. */
export function formatPath(path: PropertyPath): string {
  const text = path
    .map((part) =>
      typeof part === "number"
        ? `[${part}]`
        : /^[A-Za-z_$][\w$-]*$/.test(part)
          ? `.${part}`
          : `[${JSON.stringify(part)}]`,
    )
    .join("");
  return text === "" ? "(root)" : text.replace(/^\./, "");
}

/** Formats a problem as one line: path, message, given value, allowed values, remedy. */
export function formatProblem(problem: Problem): string {
  const parts = [problem.message];
  if (problem.given !== undefined) parts.push(`given: ${problem.given}`);
  if (problem.allowed !== undefined) parts.push(`allowed: ${problem.allowed}`);
  if (problem.remedy !== undefined) parts.push(problem.remedy);
  return `${formatPath(problem.path)}  ${parts.join("; ")}`;
}

/** Returns the problems with a prefix added to their paths. */
export function under(prefix: PropertyPath, problems: readonly Problem[]): Problem[] {
  return problems.map((problem) => ({ ...problem, path: [...prefix, ...problem.path] }));
}

/** Formats a value for an error message: JSON with masked secrets, truncated to 80 characters. */
export function printable(value: unknown): string {
  const masked = maskSecrets(textOf(value));
  return masked.length > 80 ? `${masked.slice(0, 77)}...` : masked;
}

/** Returns JSON, or a description of a value that JSON cannot hold. */
function textOf(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (value === undefined) return "nothing";
  const isBytes = ArrayBuffer.isView(value);
  if (isBytes || value instanceof Map || value instanceof Set || value instanceof Date) {
    return `a ${value.constructor.name}`;
  }
  try {
    const text = JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? `${item}n` : item));
    return text ?? `a ${typeof value}`;
  } catch (error) {
    // JSON.stringify throws a TypeError for cycles only, after BigInts are replaced.
    return error instanceof TypeError ? "a circular value" : "an object";
  }
}

/** Reports all problems of one input. Constructs and stacks throw it. */
export class InvalidInputError extends Error {
  override readonly name = "InvalidInputError";

  constructor(
    /** The checked input, such as the path of a construct. */
    readonly subject: string,
    readonly problems: readonly Problem[],
  ) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super(`${subject}: ${count}\n${problems.map((problem) => `  ${formatProblem(problem)}`).join("\n")}`);
  }
}

/**
 * Throws if there is any problem.
 * @throws InvalidInputError with all problems
 */
export function throwIfAny(subject: string, problems: readonly Problem[]): void {
  if (problems.length > 0) throw new InvalidInputError(subject, problems);
}
