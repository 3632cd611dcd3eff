// Builds Go programs that the tests need, into a cache of the user.
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";

/** Returns the path of a program in the cache. */
export function cached(folder, name) {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return join(cache, "cedana-cdk", folder, process.platform === "win32" ? `${name}.exe` : name);
}

/** Runs a command of Go in a directory. Its output goes to stderr. @returns why it failed; undefined if it did not */
export function go(args, cwd, env = {}) {
  const { status, error } = spawnSync("go", args, {
    cwd,
    env: { ...process.env, CGO_ENABLED: "0", ...env },
    stdio: ["ignore", 2, 2],
  });
  return status === 0 ? undefined : (error?.message ?? `go ${args[0]} ended with status ${status}`);
}

/** Prints the path of a program. If it was not built, prints why, and ends the process with code 1. */
export function printProgram(program, what, problem) {
  if (problem !== undefined) {
    process.stderr.write(
      `${what} was not built: ${problem}. It needs Go (https://go.dev/dl) and access to its module proxy.\n`,
    );
    process.exit(1);
  }
  process.stdout.write(`${program}\n`);
}
