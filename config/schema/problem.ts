/** What secrets look like, wherever they stand. Published forms of their issuers. */

/** Each expression is global; use matchAll or replaceAll, which keep no state between calls. */
export const SECRET_SHAPES: readonly (readonly [what: string, shape: RegExp])[] = [
  ["an AWS access key id", /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g],
  ["a GitHub token", /\b(?:gh[oprsu]_[A-Za-z0-9]{36,}|github_pat_\w{22,})/g],
  ["a GitLab token", /\bglpat-[\w-]{20,}/g],
  ["a Slack token", /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/g],
  ["a Hugging Face token", /\bhf_[A-Za-z0-9]{30,}/g],
  ["a secret API key", /\bsk[-_](?:live[-_]|test[-_]|ant[-_]|proj[-_])?[A-Za-z0-9_-]{24,}/g],
  ["a JSON Web Token", /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*/g],
  ["a private key", /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*-----)?/g],
  ["a password in a URL", /(?<=:\/\/[^\s/:@"']{0,64}:)[^\s/:@"']+(?=@)/g],
];

/** The text with `[secret]` in place of everything in it that has the shape of one. */
export function maskSecrets(text: string): string {
  return SECRET_SHAPES.reduce((masked, [, shape]) => masked.replaceAll(shape, "[secret]"), text);
}

/*
 * What is wrong with an input. Every check in this project returns problems instead of throwing at the first one, so
 * that a user sees all of them in one run.
 */

/** Where in the input: property names and list indexes, from the root of what was checked. */
export type PropertyPath = readonly (string | number)[];

export interface Problem {
  /** Stable, for tests and scripts: kebab-case, for instance `unknown-key`. */
  readonly code: string;
  readonly path: PropertyPath;
  /** What is wrong, as a clause without a full stop: `is not a CIDR block`. */
  readonly message: string;
  /** What was given, already printable. Left out where it would show a secret. */
  readonly given?: string;
  /** What is allowed. */
  readonly allowed?: string;
  /** How to mend it, as an instruction. */
  readonly remedy?: string;
}

/** `nodeGroups[0].scaling.min`; the root itself is `(root)`. */
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

/** One line: what is wrong, what was given, what is allowed, how to mend it. */
export function formatProblem(problem: Problem): string {
  const parts = [problem.message];
  if (problem.given !== undefined) parts.push(`given: ${problem.given}`);
  if (problem.allowed !== undefined) parts.push(`allowed: ${problem.allowed}`);
  if (problem.remedy !== undefined) parts.push(problem.remedy);
  return `${formatPath(problem.path)}  ${parts.join("; ")}`;
}

/** The same problem seen from further up. */
export function under(prefix: PropertyPath, problems: readonly Problem[]): Problem[] {
  return problems.map((problem) => ({ ...problem, path: [...prefix, ...problem.path] }));
}

/** A value as an error message shows it: JSON, without what looks like a secret, cut at 80 characters. */
export function printable(value: unknown): string {
  if (typeof value === "number") return String(value);
  const text = value === undefined ? "nothing" : (JSON.stringify(value) ?? `a ${typeof value}`);
  const masked = maskSecrets(text);
  return masked.length > 80 ? `${masked.slice(0, 77)}...` : masked;
}

/** Thrown by constructs and stacks: all problems of one input at once. */
export class InvalidInputError extends Error {
  override readonly name = "InvalidInputError";

  constructor(
    /** What was checked, for instance a construct path. */
    readonly subject: string,
    readonly problems: readonly Problem[],
  ) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super(`${subject}: ${count}\n${problems.map((problem) => `  ${formatProblem(problem)}`).join("\n")}`);
  }
}

/** @throws InvalidInputError if there is any problem. */
export function throwIfAny(subject: string, problems: readonly Problem[]): void {
  if (problems.length > 0) throw new InvalidInputError(subject, problems);
}
