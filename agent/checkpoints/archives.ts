import * as fs from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { NodeCheckpointSpec } from "../../api";

/** The kubelet gives an archive the time at which it was asked, in seconds: it is ours if that is right after we asked. */
const WINDOW_MS = 5000;

const TIME = String.raw`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})`;
const ARCHIVE = new RegExp(`^checkpoint-.+-(${TIME})\\.tar$`);

type Disk = Pick<typeof fs, "lstat" | "readdir" | "statfs" | "unlink">;

/** The folder into which the kubelet writes archives: those of the agent, and those that other clients requested. */
export class ArchiveFolder {
  constructor(
    private readonly folder: string,
    private readonly disk: Disk = fs,
  ) {}

  /** Names of the archives of a container. A folder that is not there has none: the kubelet makes it with the first. */
  async of({ podRef, containerName }: NodeCheckpointSpec): Promise<readonly string[]> {
    const start = `checkpoint-${podRef.name}_${podRef.namespace}-${containerName}-`;
    const names = await this.disk.readdir(this.folder).catch(absent([] as string[]));
    return names.filter(
      (name) => name.startsWith(start) && ARCHIVE.exec(name)?.[1] === name.slice(start.length, -4),
    );
  }

  /**
   * The archive that the kubelet wrote, or writes, because it was asked at that time; undefined if there is none.
   * @param before names of those that were there before
   */
  async askedAt(
    spec: NodeCheckpointSpec,
    askedMs: number,
    before: readonly string[],
  ): Promise<string | undefined> {
    const from = Math.floor(askedMs / 1000) * 1000;
    const [found] = (await this.of(spec))
      .filter((name) => !before.includes(name))
      .map((name) => ({ name, ms: Date.parse(ARCHIVE.exec(name)?.[1] ?? "") }))
      .filter(({ ms }) => ms >= from && ms <= askedMs + WINDOW_MS)
      .toSorted((a, b) => a.ms - b.ms);
    return found && join(this.folder, found.name);
  }

  /** Whether a path that the kubelet names is an archive in this folder. */
  holds(path: string): boolean {
    return dirname(path) === this.folder && ARCHIVE.test(basename(path));
  }

  /** Bytes, and when it was last written to (ms since the epoch); undefined if there is no such file. */
  async look(path: string): Promise<{ readonly size: number; readonly changedMs: number } | undefined> {
    const status = await this.disk.lstat(path).catch(absent(undefined));
    return status?.isFile() ? { size: status.size, changedMs: status.mtimeMs } : undefined;
  }

  /** Deletes an archive of ours. It may be gone. @throws Error if the path is no archive in this folder */
  async remove(path: string): Promise<void> {
    if (!this.holds(path)) throw new Error(`${path} is no archive in ${this.folder}; it is not deleted`);
    await this.disk.unlink(path).catch(absent(undefined));
  }

  /** Bytes that are free on the disk of the folder. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await this.disk
      .statfs(this.folder)
      .catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
        return this.disk.statfs(dirname(this.folder));
      });
    return bavail * bsize;
  }
}

function absent<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT") return value;
    throw error;
  };
}
