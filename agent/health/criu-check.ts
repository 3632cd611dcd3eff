import { execFile } from "node:child_process";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { errorText } from "./finding";
import type { CriuCheck } from "./rules/criu";
import type { Log } from "./run";

export interface CriuCheckOptions {
  /** Directory of the CRIU tree on the node. */
  readonly folder: string;
  /** File with the version of the tree in this image; if it is missing, versions are not compared. */
  readonly imageTree: string;
  /** Sends a request to the host service. Rejects if it does not respond. Undefined: the engine has no host service. */
  readonly service?: (signal: AbortSignal) => Promise<unknown>;
  /** File for the result, which container health-check reads. */
  readonly result: string;
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly log: Log;
}

/** Runs CRIU in a mount namespace with a separate /proc: CRIU writes to /proc/sys, which is read-only in a pod. */
const SEPARATE_PROC = ["--mount", "--mount-proc", "--pid", "--fork", "--kill-child"];
const MAX_OUTPUT = 2000;

/** Runs `criu check` in rounds until the signal, and writes each result to the file. */
export async function runCriuChecks(options: CriuCheckOptions, signal: AbortSignal): Promise<void> {
  const { periodSeconds, log } = options;
  await rm(options.result, { force: true });
  let before: string | undefined;
  while (!signal.aborted) {
    const startedMs = Date.now();
    const check = { ...(await criuCheck(options)), ...(await serviceCheck(options)) };
    try {
      await replace(options.result, JSON.stringify(check));
    } catch (error) {
      log.error({ error: errorText(error) }, "cannot write the result");
    }
    const { atMs: _, output, ...fields } = check;
    const now = JSON.stringify(fields);
    if (now !== before) {
      if (check.exitCode === 0 && check.service?.error === undefined) log.info(fields, "criu check passed");
      else log.error({ ...fields, output }, "criu check failed");
    }
    before = now;
    const restMs = Math.max(0, periodSeconds * 1000 - (Date.now() - startedMs));
    await pause(restMs, undefined, { signal }).catch(() => undefined);
  }
}

async function serviceCheck({
  service,
  timeoutSeconds,
}: Pick<CriuCheckOptions, "service" | "timeoutSeconds">): Promise<Pick<CriuCheck, "service">> {
  if (service === undefined) return {};
  try {
    await service(AbortSignal.timeout((timeoutSeconds * 1000) / 2));
    return { service: {} };
  } catch (error) {
    return { service: { error: errorText(error) } };
  }
}

/** Runs `criu check` once. Never rejects: an error is part of the result. */
export async function criuCheck(
  options: Pick<CriuCheckOptions, "folder" | "imageTree" | "timeoutSeconds">,
): Promise<CriuCheck> {
  const { folder, timeoutSeconds } = options;
  const program = `${folder}/current/bin/criu`;
  const timeoutMs = (timeoutSeconds * 1000) / 2;
  const tree = await textIn(`${folder}/current/VERSION`);
  const expectedTree = await textIn(options.imageTree);
  const version = await run(program, ["--version"], timeoutMs);
  // JSON omits undefined fields.
  const versions = { tree, expectedTree, version: /^Version: *(\S+)/m.exec(version.output)?.[1] };
  if (version.exitCode !== 0)
    return { ...version, ...versions, exitCode: undefined, error: errorOf(version) };
  const criu = (...list: string[]) => run("unshare", [...SEPARATE_PROC, program, ...list], timeoutMs);
  const check = { ...(await criu("check")), ...versions };
  if (check.exitCode !== 0) return check;
  const { exitCode } = await criu("check", "--feature", "mem_dirty_track");
  return { ...check, tracksMemory: exitCode === 0 };
}

function errorOf({ error, exitCode, output }: CriuCheck): string {
  return error ?? `--version ended with ${exitCode}: ${errorText(output)}`;
}

/** Runs a program until it ended or was killed. */
function run(program: string, list: readonly string[], timeoutMs: number): Promise<CriuCheck> {
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: 1 << 20 } as const;
    execFile(program, list, options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`.slice(-MAX_OUTPUT);
      const result = { atMs: Date.now(), output };
      if (!error) return resolve({ ...result, exitCode: 0 });
      if (typeof error.code === "number") return resolve({ ...result, exitCode: error.code });
      const reason = error.killed ? `killed after ${timeoutMs / 1000} s` : String(error.code ?? error.signal);
      return resolve({ ...result, error: reason });
    });
  });
}

async function textIn(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").then(
    (text) => text.trim(),
    () => undefined,
  );
}

/** Replaces a file atomically. */
async function replace(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`;
  await rm(temporary, { force: true });
  await writeFile(temporary, text, { flag: "wx", mode: 0o644 });
  await rename(temporary, file);
}
