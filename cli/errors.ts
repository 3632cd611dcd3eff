/**
 * Exit codes of every command. As with `kubectl diff`, 1 is not an error: `diff` found differences, `crd status` an upgrade that
 * is due, `explain` a gated node.
 */
export const EXIT = { ok: 0, differs: 1, badInput: 2, failed: 3 } as const;

/** Ends the command with a message for the user, without a stack trace. */
export class CommandError extends Error {
  override readonly name = "CommandError";

  constructor(
    message: string,
    readonly exitCode: number = EXIT.failed,
  ) {
    super(message);
  }
}

/** Error codes of the operating system that a user can act on. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EDQUOT: "the disk quota is used up",
  ENOSPC: "the disk is full",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
};

/** Error codes of paths that the user has to change. */
const BAD_PATHS: Readonly<Record<string, string>> = {
  EISDIR: "it is a directory",
  ELOOP: "it has too many symbolic links",
  ENAMETOOLONG: "the path is too long",
  ENOENT: "there is no such directory",
  ENOTDIR: "it is below a file",
};

/**
 * Runs work on the output directory or the platform file.
 * @throws CommandError for problems of the directory and for errors of the operating system
 */
export function withFsErrors<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    // By its name: every command loads this module, and few load the writer that defines the class.
    if (error instanceof Error && error.name === "OutputError")
      throw new CommandError(error.message, EXIT.badInput);
    const { code = "", path = "the output" } = error as NodeJS.ErrnoException;
    const reason = BAD_PATHS[code] ?? REASONS[code];
    if (reason === undefined) throw error;
    throw new CommandError(
      `cannot read or write ${path}: ${reason}`,
      code in BAD_PATHS ? EXIT.badInput : EXIT.failed,
    );
  }
}
