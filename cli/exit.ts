/** Exit codes of every command. `diff` alone uses 1, for "differs", as `kubectl diff` does. */
export const EXIT = { ok: 0, differs: 1, badInput: 2, failed: 3 } as const;

/** Ends the command: the message is for the user, without a stack trace. */
export class CommandError extends Error {
  override readonly name = "CommandError";

  constructor(
    message: string,
    readonly exitCode: number = EXIT.failed,
  ) {
    super(message);
  }
}
