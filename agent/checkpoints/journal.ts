import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { NodeCheckpointSpec, NodeCheckpointStatus } from "../../api";
import type { Logger } from "../../kube";

/**
 * How far a NodeCheckpoint has come on this node.
 * - `asked`: the kubelet may have been asked; this is written before it is
 * - `archived`: it has answered, or its archive was found
 * - `ended`: what is left is to delete the archive and to write the status
 */
export interface Entry {
  readonly uid: string;
  readonly name: string;
  readonly spec: NodeCheckpointSpec;
  readonly phase: "asked" | "archived" | "ended";
  /** When the agent began, ms since the epoch. */
  readonly startMs: number;
  /** When the kubelet was last asked, ms since the epoch; missing if that came to nothing. */
  readonly askedMs?: number;
  /** Archives of the container that were there before. */
  readonly before: readonly string[];
  /** Path of the archive, once it is known. */
  readonly archive?: string;
  /** The archive was found after its answer was lost: it may be a part of one. */
  readonly adopted?: boolean;
  /** Only in phase `ended`. */
  readonly status?: NodeCheckpointStatus;
}

const NAME = /^[A-Za-z0-9-]+\.json$/;

/** What is under way on this node, one small file each, so that it outlives the process. */
export class Journal {
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly folder: string,
    private readonly log: Pick<Logger, "warn">,
  ) {}

  /** Reads what an earlier process left. What is no entry is told of and left alone. @throws errors of the file system */
  async load(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    for (const file of await readdir(this.folder)) {
      if (file.endsWith(".tmp")) await rm(join(this.folder, file), { force: true });
      if (!NAME.test(file)) continue;
      const text = await readFile(join(this.folder, file), "utf8");
      const entry = parsed(text);
      if (entry && `${entry.uid}.json` === file) this.entries.set(entry.uid, entry);
      else this.log.warn({ file: join(this.folder, file) }, "is no journal entry; left alone");
    }
  }

  get(uid: string): Entry | undefined {
    return this.entries.get(uid);
  }

  list(): readonly Entry[] {
    return [...this.entries.values()];
  }

  /** On the disk when it settles. */
  async put(entry: Entry): Promise<void> {
    const file = join(this.folder, `${entry.uid}.json`);
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
    await rm(join(this.folder, `${uid}.json`), { force: true });
    await this.sync();
    this.entries.delete(uid);
  }

  /** A rename or removal is on the disk only once its folder is. */
  private async sync(): Promise<void> {
    const handle = await open(this.folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

function parsed(text: string): Entry | undefined {
  try {
    const entry = JSON.parse(text) as Partial<Entry> | null;
    const whole =
      typeof entry?.uid === "string" && typeof entry.spec === "object" && typeof entry.startMs === "number";
    return whole ? (entry as Entry) : undefined;
  } catch {
    return undefined;
  }
}
