import { OutputError } from "../manifests/output";
import { CommandError, EXIT } from "./exit";

/** Error codes of the operating system that a user can act on. */
const REFUSALS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EDQUOT: "the disk quota is used up",
  ENOSPC: "the disk is full",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
};

/**
 * Runs work on the output directory.
 * @throws CommandError for problems of the directory and for errors of the operating system
 */
export function explained<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof OutputError) throw new CommandError(error.message, EXIT.badInput);
    const { code = "", path = "the output" } = error as NodeJS.ErrnoException;
    const refusal = REFUSALS[code];
    throw refusal === undefined ? error : new CommandError(`cannot read or write ${path}: ${refusal}`);
  }
}
