import { spawn, type ChildProcess } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debian } from "../../../testbed/node/images";
import { ran, run } from "../../../testbed/node/run";

/** A runc container that counts into a file. */
export class CountingContainer {
  private readonly bundle: string;
  private readonly root: string;
  private readonly holders: ChildProcess[] = [];

  constructor(
    private readonly folder: string,
    private readonly id: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {
    this.bundle = join(folder, "bundle");
    this.root = join(folder, "runc");
    const files = join(this.bundle, "rootfs");
    mkdirSync(join(files, "bin"), { recursive: true });
    copyFileSync(join(debian(), "bin/busybox"), join(files, "bin/busybox"));
    for (const each of ["sh", "sleep"]) symlinkSync("busybox", join(files, "bin", each));
    run("runc", ["spec"], { cwd: this.bundle });
    const spec = JSON.parse(readFileSync(join(this.bundle, "config.json"), "utf8"));
    const count = "n=0; while :; do n=$((n+1)); echo $n > /counted; sleep 0.05; done";
    Object.assign(spec.process, { terminal: false, args: ["/bin/sh", "-c", count], rlimits: [] });
    spec.root.readonly = false;
    writeFileSync(join(this.bundle, "config.json"), JSON.stringify(spec));
  }

  get counted(): number {
    return Number(ran("cat", [join(this.bundle, "rootfs/counted")]).stdout);
  }

  start(): void {
    this.detached("run", ["--detach", "--bundle", this.bundle, this.id]);
  }

  checkpoint(): void {
    const { status, stderr } = ran("runc", ["--root", this.root, "checkpoint", ...this.images(), this.id], {
      env: this.env,
    });
    if (status !== 0)
      throw new Error(`${stderr}\n${ran("cat", [join(this.folder, "work/dump.log")]).stdout}`);
  }

  restore(): void {
    this.detached("restore", ["--detach", ...this.images(), "--bundle", this.bundle, this.id]);
  }

  remove(): void {
    ran("runc", ["--root", this.root, "delete", "--force", this.id], { env: this.env });
    for (const { pid } of this.holders) ran("kill", ["-KILL", "--", `-${pid}`]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private images(): readonly string[] {
    return ["--image-path", join(this.folder, "images"), "--work-path", join(this.folder, "work")];
  }

  /** Runs runc with pipes as streams, as containerd does: CRIU cannot dump files or sockets of the host. */
  private detached(command: string, list: readonly string[]): void {
    const script = 'sleep 600 | runc "$@" 2>&1 | cat';
    const options = { env: this.env, detached: true, stdio: "ignore" } as const;
    this.holders.push(spawn("sh", ["-c", script, "sh", "--root", this.root, command, ...list], options));
  }
}

/**
 * Runs a program in a container of these files, as root without capabilities and with a read-only root. Returns its output.
 * @param mounts directories of this machine, by their paths in the container
 */
export function runConfined(
  files: string,
  folder: string,
  mounts: Record<string, string>,
  list: readonly string[],
): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  run("runc", ["spec"], { cwd: folder });
  const spec = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  Object.assign(spec.process, { terminal: false, args: list, rlimits: [], capabilities: {} });
  spec.root = { path: files, readonly: true };
  for (const [destination, source] of Object.entries(mounts)) {
    mkdirSync(join(files, destination), { recursive: true }); // runc cannot create it in a read-only root
    spec.mounts.push({ destination, type: "bind", source, options: ["bind", "rw"] });
  }
  writeFileSync(join(folder, "config.json"), JSON.stringify(spec));
  return run("runc", [
    "--root",
    join(folder, "state"),
    "run",
    "--bundle",
    folder,
    "node-image-confined",
  ]).trim();
}
