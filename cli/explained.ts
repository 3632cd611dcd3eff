import { OutputError } from "../manifests/output";
import { CommandError, EXIT } from "./exit";

/** What the machine can refuse, in words. */
const REFUSALS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EDQUOT: "the disk quota is used up",
  ENOSPC: "the disk is full",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
};

/**
 * Does work on the output folder.
 * @throws CommandError for what lies in the way there, and for what the machine refuses.
 */
export function explained<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof OutputError) throw inTheWay(error.message);
    const { code = "", path = "the output" } = error as NodeJS.ErrnoException;
    const refusal = REFUSALS[code];
    throw refusal === undefined ? error : new CommandError(`cannot read or write ${path}: ${refusal}`);
  }
}

export function inTheWay(message: string): CommandError {
  return new CommandError(`${message}\n--force overwrites edited and foreign files`, EXIT.badInput);
}
