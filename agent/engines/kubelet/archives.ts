import * as fs from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { NodeCheckpointSpec } from "../../../api";

/** The name of an archive has the time of the request in seconds. It matches a request up to this long before. */
const WINDOW_MS = 5000;

const TIME = String.raw`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})`;
const ARCHIVE = new RegExp(`^checkpoint-.+-(${TIME})\\.tar$`);

type Disk = Pick<typeof fs, "lstat" | "readdir" | "statfs" | "unlink">;

/** The directory into which the kubelet writes archives, for the agent and for other clients. */
export class ArchiveDirectory {
  constructor(
    private readonly path: string,
    private readonly disk: Disk = fs,
  ) {}

  /** Returns the names of a container's archives. The kubelet creates the directory with the first archive. */
  async ofContainer({ podRef, containerName }: NodeCheckpointSpec): Promise<readonly string[]> {
    const start = `checkpoint-${podRef.name}_${podRef.namespace}-${containerName}-`;
    const names = await this.disk.readdir(this.path).catch(absent([] as string[]));
    return names.filter(
      (name) => name.startsWith(start) && ARCHIVE.exec(name)?.[1] === name.slice(start.length, -4),
    );
  }

  /**
   * Returns the path of the archive that the kubelet wrote, or is writing, for a request at that time; undefined if there is none.
   * @param before names of archives that existed before the request
   */
  async requestedAt(
    spec: NodeCheckpointSpec,
    requestedMs: number,
    before: readonly string[],
  ): Promise<string | undefined> {
    const from = Math.floor(requestedMs / 1000) * 1000;
    const [found] = (await this.ofContainer(spec))
      .filter((name) => !before.includes(name))
      .map((name) => ({ name, ms: Date.parse(ARCHIVE.exec(name)?.[1] ?? "") }))
      .filter(({ ms }) => ms >= from && ms <= requestedMs + WINDOW_MS)
      .toSorted((a, b) => a.ms - b.ms);
    return found && join(this.path, found.name);
  }

  /** Returns whether a path is an archive in this directory. */
  contains(path: string): boolean {
    return dirname(path) === this.path && ARCHIVE.test(basename(path));
  }

  /** Returns size and time of the last change (ms since the epoch); undefined if the file is missing. */
  async stat(path: string): Promise<{ readonly size: number; readonly changedMs: number } | undefined> {
    const status = await this.disk.lstat(path).catch(absent(undefined));
    return status?.isFile() ? { size: status.size, changedMs: status.mtimeMs } : undefined;
  }

  /** Deletes an archive, if it exists. @throws Error if the path is not an archive in this directory */
  async remove(path: string): Promise<void> {
    if (!this.contains(path)) throw new Error(`${path} is not an archive in ${this.path}: not deleted`);
    await this.disk.unlink(path).catch(absent(undefined));
  }

  /** Returns the free bytes on the disk of the directory. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await this.disk
      .statfs(this.path)
      .catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
        return this.disk.statfs(dirname(this.path));
      });
    return bavail * bsize;
  }
}

/** Handles a missing file by returning a value. */
function absent<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT") return value;
    throw error;
  };
}
