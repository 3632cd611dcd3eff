import { execFile } from "node:child_process";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { wordsOf } from "./probe";
import type { CriuCheck } from "./rules/criu";
import type { Log } from "./run";

export interface CriuCheckOptions {
  /** Folder of CRIU's tree on the node. */
  readonly folder: string;
  /** File with the version of the tree in this image; not compared if there is none. */
  readonly wanted: string;
  /** Where the result is written, for the container health-check to read. */
  readonly result: string;
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly log: Log;
}

/** In a mount namespace with a /proc of its own: in a pod's own one, /proc/sys is read-only, and CRIU opens files of it to write. */
const OWN_PROC = ["--mount", "--mount-proc", "--pid", "--fork", "--kill-child"];
const MAX_OUTPUT = 2000;

/** Runs `criu check` in rounds until the signal, and writes each result down. */
export async function runCriuChecks(options: CriuCheckOptions, signal: AbortSignal): Promise<void> {
  const { periodSeconds, log } = options;
  await rm(options.result, { force: true });
  let before: string | undefined;
  while (!signal.aborted) {
    const startedMs = Date.now();
    const check = await criuCheck(options);
    try {
      await replace(options.result, JSON.stringify(check));
    } catch (error) {
      log.error({ error: wordsOf(error) }, "the result cannot be written");
    }
    const { atMs: _, output, ...said } = check;
    const now = JSON.stringify(said);
    if (now !== before) {
      if (check.exitCode === 0) log.info(said, "criu check looks good");
      else log.error({ ...said, output }, "criu check does not look good");
    }
    before = now;
    const restMs = Math.max(0, periodSeconds * 1000 - (Date.now() - startedMs));
    await pause(restMs, undefined, { signal }).catch(() => undefined);
  }
}

/** One run. Never fails: what goes wrong is in the result. */
export async function criuCheck(
  options: Pick<CriuCheckOptions, "folder" | "wanted" | "timeoutSeconds">,
): Promise<CriuCheck> {
  const { folder, timeoutSeconds } = options;
  const program = `${folder}/current/bin/criu`;
  const timeoutMs = (timeoutSeconds * 1000) / 2;
  const tree = await textIn(`${folder}/current/VERSION`);
  const wanted = await textIn(options.wanted);
  const version = await run(program, ["--version"], timeoutMs);
  // What is undefined is not in the file.
  const known = { tree, wanted, version: /^Version: *(\S+)/m.exec(version.output)?.[1] };
  if (version.exitCode !== 0) return { ...version, ...known, exitCode: undefined, error: errorOf(version) };
  return { ...(await run("unshare", [...OWN_PROC, program, "check"], timeoutMs)), ...known };
}

function errorOf({ error, exitCode, output }: CriuCheck): string {
  return error ?? `--version ended with ${exitCode}: ${wordsOf(output)}`;
}

/** @returns once it has ended, or was killed; and not before */
function run(program: string, list: readonly string[], timeoutMs: number): Promise<CriuCheck> {
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: 1 << 20 } as const;
    execFile(program, list, options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`.slice(-MAX_OUTPUT);
      const result = { atMs: Date.now(), output };
      if (!error) return resolve({ ...result, exitCode: 0 });
      if (typeof error.code === "number") return resolve({ ...result, exitCode: error.code });
      const why = error.killed ? `killed after ${timeoutMs / 1000} s` : String(error.code ?? error.signal);
      return resolve({ ...result, error: why });
    });
  });
}

async function textIn(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").then(
    (text) => text.trim(),
    () => undefined,
  );
}

/** Seen whole or not at all. */
async function replace(file: string, text: string): Promise<void> {
  const beside = `${file}.new`;
  await rm(beside, { force: true });
  await writeFile(beside, text, { flag: "wx", mode: 0o644 });
  await rename(beside, file);
}
