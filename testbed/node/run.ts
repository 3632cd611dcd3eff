import { spawnSync, type SpawnSyncOptions } from "node:child_process";
import { join } from "node:path";

/** Directory of the repository: of this file, and of a benchmark that is bundled into out/bench-NAME. */
export const ROOT = join(__dirname, "../..");

/** Result of a command. */
export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command and returns its result, also if it failed. @throws Error if it cannot be started, or exceeds `timeout` */
export function ran(command: string, list: readonly string[], options: SpawnSyncOptions = {}): Ran {
  const { error, status, stdout, stderr } = spawnSync(command, list, {
    maxBuffer: 64e6,
    ...options,
    encoding: "utf8",
  });
  if (error && "code" in error && error.code === "ETIMEDOUT")
    throw new Error(
      `${command} ${list.join(" ")} has not ended after ${options.timeout} ms:\n${stdout}${stderr}`,
    );
  if (error) throw error;
  return { status, stdout, stderr };
}

/** Runs a command and returns its stdout. @throws Error with its output if it failed */
export function run(command: string, list: readonly string[], options: SpawnSyncOptions = {}): string {
  const { status, stdout, stderr } = ran(command, list, options);
  if (status !== 0) throw new Error(`${command} ${list.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

/** Debian packages of the commands with other names. */
const PACKAGES: Readonly<Record<string, string>> = {
  readelf: "binutils",
  strip: "binutils",
  nsenter: "util-linux",
  "qemu-system-x86_64": "qemu-system-x86",
  ssh: "openssh-client",
  "mkfs.ext4": "e2fsprogs",
};

/** Checks for root and commands, which are Debian packages. @throws Error if one is missing */
export function needs(...commands: string[]): void {
  if (process.getuid?.() !== 0) throw new Error("the node tier needs root");
  const missing = commands.filter((each) => ran("sh", ["-c", `command -v ${each}`]).status !== 0);
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((each) => PACKAGES[each] ?? each))].join(" ");
    throw new Error(`the node tier needs ${missing.join(", ")}: apt-get install ${packages}`);
  }
}
