/** One reason why a directory cannot be written, or only with `force`. */
export interface OutputProblem {
  /** `force` overrules `edited-file` and `unmanaged-file` only. */
  readonly code:
    | "edited-file"
    | "unmanaged-file"
    | "owner-mismatch"
    | "path-conflict"
    | "symbolic-link"
    | "invalid-path"
    | "invalid-record";
  /** Path of the file, relative to the directory. */
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
}

/** Thrown before anything is written, with every problem. */
export class OutputError extends Error {
  override readonly name = "OutputError";

  constructor(
    /** The directory, as given. */
    readonly dir: string,
    readonly problems: readonly OutputProblem[],
  ) {
    const lines = problems.map(({ path, message, remedy }) => `  ${path}  ${message}; ${remedy}`);
    super(`${dir}: nothing was written\n${lines.join("\n")}`);
  }
}

export function isForceable({ code }: OutputProblem): boolean {
  return code === "edited-file" || code === "unmanaged-file";
}
