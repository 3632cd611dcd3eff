import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../../kube";

/** What every entry has. */
export interface Entry {
  readonly uid: string;
  readonly name: string;
  readonly spec: object;
  /** When the job started, ms since the epoch. */
  readonly startMs: number;
}

const NAME = /^[A-Za-z0-9-]+\.json$/;

/** Write-ahead record of the jobs on this node, one small file each. It survives a crash of the process. */
export class Journal<E extends Entry> {
  private readonly entries = new Map<string, E>();

  constructor(
    private readonly directory: string,
    private readonly log: Pick<Logger, "warn">,
  ) {}

  /** Reads the entries of a previous process. Logs and keeps invalid files. @throws errors of the file system */
  async load(): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    for (const file of await readdir(this.directory)) {
      if (file.endsWith(".tmp")) await rm(join(this.directory, file), { force: true });
      if (!NAME.test(file)) continue;
      const text = await readFile(join(this.directory, file), "utf8");
      const entry = parse(text);
      if (entry && `${entry.uid}.json` === file) this.entries.set(entry.uid, entry as E);
      else this.log.warn({ file: join(this.directory, file) }, "not a journal entry; ignored");
    }
  }

  get(uid: string): E | undefined {
    return this.entries.get(uid);
  }

  list(): readonly E[] {
    return [...this.entries.values()];
  }

  /** Writes an entry. It is on the disk when the promise resolves. */
  async put(entry: E): Promise<void> {
    const file = join(this.directory, `${entry.uid}.json`);
    const handle = await open(`${file}.tmp`, "w", 0o600);
    try {
      await handle.writeFile(JSON.stringify(entry));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.tmp`, file);
    await this.sync();
    this.entries.set(entry.uid, entry);
  }

  async remove(uid: string): Promise<void> {
    await rm(join(this.directory, `${uid}.json`), { force: true });
    await this.sync();
    this.entries.delete(uid);
  }

  /** Syncs the directory, so that renames and removals are on the disk. */
  private async sync(): Promise<void> {
    const handle = await open(this.directory, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

function parse(text: string): Entry | undefined {
  try {
    const entry = JSON.parse(text) as Partial<Entry> | null;
    const valid =
      typeof entry?.uid === "string" && typeof entry.spec === "object" && typeof entry.startMs === "number";
    return valid ? (entry as Entry) : undefined;
  } catch {
    return undefined;
  }
}
