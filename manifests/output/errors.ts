/** Why a tree cannot be written, or not without `force`. */
export interface OutputProblem {
  /** `edited`, `foreign` and `other-owner` can be overruled with `force`; the others cannot. */
  readonly code: "edited" | "foreign" | "other-owner" | "in-the-way" | "link" | "path" | "record" | "locked";
  /** The file, from the root of the tree. */
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
}

/** Thrown before anything is written: all that stands in the way. */
export class OutputError extends Error {
  override readonly name = "OutputError";

  constructor(
    /** Root of the tree, as given. */
    readonly dir: string,
    readonly problems: readonly OutputProblem[],
  ) {
    const lines = problems.map(({ path, message, remedy }) => `  ${path}  ${message}; ${remedy}`);
    super(`${dir}: nothing was written\n${lines.join("\n")}`);
  }
}

export function isForceable({ code }: OutputProblem): boolean {
  return code === "edited" || code === "foreign" || code === "other-owner";
}
