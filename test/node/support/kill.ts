import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const COMMANDS = [
  "cp",
  "cmp",
  "flock",
  "grep",
  "ln",
  "mkdir",
  "mv",
  "realpath",
  "rm",
  "rmdir",
  "sha256sum",
  "sync",
];

/**
 * Runs a script and kills its process group at the `at`-th command: before, after, or within it. "within" counts only `cp` and
 * `rm`. Returns the command, or undefined if the script ended before.
 */
export function killedAt(
  at: number,
  when: "before" | "after" | "within",
  folder: string,
  script: string,
  ...list: string[]
) {
  const shims = join(folder, "shims");
  const count = join(folder, "count");
  const killed = join(folder, "killed");
  rmSync(shims, { recursive: true, force: true });
  rmSync(killed, { force: true });
  mkdirSync(shims, { recursive: true });
  writeFileSync(count, "0");
  const path = process.env["PATH"] ?? "";
  for (const name of when === "within" ? ["cp", "rm"] : COMMANDS) {
    const real = path
      .split(":")
      .map((each) => join(each, name))
      .find((each) => existsSync(each));
    if (!real) throw new Error(`no ${name} on the PATH`);
    // `kill 0` signals the process group of the script.
    writeFileSync(join(shims, name), shim({ name, real, count, killed, at, when }));
    chmodSync(join(shims, name), 0o755);
  }
  const { status, stderr } = spawnSync("setsid", ["--wait", script, ...list], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${shims}:${path}` },
  });
  if (existsSync(killed)) return readFileSync(killed, "utf8").trim();
  if (status !== 0) throw new Error(`${script} ended with ${status}: ${stderr}`);
  return undefined;
}

function shim(o: {
  name: string;
  real: string;
  count: string;
  killed: string;
  at: number;
  when: string;
}): string {
  const die = `echo "${o.name} $*" > ${o.killed}; kill -KILL 0`;
  const half = {
    cp: `mkdir -p "$3"; ${o.real} -R "$2/lib" "$3"; `,
    rm: `for last; do :; done; ${o.real} -rf "$last/lib"; `,
  }[o.name];
  const doing = {
    before: die,
    within: `${half ?? ""}${die}`,
    after: `${o.real} "$@"; ${die}`,
  }[o.when];
  return `#!/bin/sh
read -r n < ${o.count}
n=$((n + 1))
echo $n > ${o.count}
if [ $n = ${o.at} ]; then ${doing}; fi
exec ${o.real} "$@"
`;
}
