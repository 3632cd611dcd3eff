import { extract, type Extract, type Header } from "tar-stream";
import { architectureIn, frozenMsIn } from "./criu";
import { ArchiveError } from "./error";

/** What an archive holds, seen while it passed. */
export interface Contents {
  /** The small files that describe the container, by name. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly sizes: ArchiveSizes;
  /** In OCI's words: `amd64`, `arm64`, ... */
  readonly architecture?: string;
  readonly criuVersion?: string;
  readonly frozenMs?: number;
  /** Established TCP connections that were dumped. */
  readonly tcpConnections: number;
}

/** In bytes. */
export interface ArchiveSizes {
  /** CRIU's images: memory and state of the processes. */
  readonly checkpoint: number;
  /** Of these, pages of memory. */
  readonly memory: number;
  /** What the container changed in its root file system, as it is packed. */
  readonly rootfsDiff: number;
  /** /dev/shm as a file of its own, which Podman and CRI-O write; containerd does not. */
  readonly devShm: number;
}

const DESCRIPTIONS = new Set(["config.dump", "spec.dump", "status.dump", "stats-dump"]);
/** A spec with every environment variable and mount that Kubernetes takes is smaller (etcd holds 1.5 MiB an object). */
const MAX_DESCRIPTION = 4 << 20;
/** Of these only the beginning is looked at. */
const HEAD = 4096;
/** Each process has about ten files. */
const MAX_ENTRIES = 200_000;

/**
 * Looks through a tar as it is read, keeping only what describes it. Refuses what a container runtime would not unpack as it
 * stands there: links, devices, names that lead out, whiteouts, the same name twice.
 */
export class ArchiveInspector {
  private readonly tar: Extract = extract();
  private readonly finished: Promise<void>;
  private readonly kept = new Map<string, Buffer>();
  private readonly names = new Set<string>();
  private readonly sizes = { checkpoint: 0, memory: 0, rootfsDiff: 0, devShm: 0 };
  private tcpConnections = 0;
  private failure?: Error;

  constructor(private readonly file: string) {
    this.finished = new Promise((resolve) => this.tar.once("close", () => resolve()));
    const failed = (error: Error) => {
      this.failure ??= this.refusal(error);
    };
    this.tar.on("error", failed);
    this.tar.on("entry", (header, stream, next) => {
      const limit = this.enter(header);
      if (this.failure) this.tar.destroy();
      const chunks: Buffer[] = [];
      let size = 0;
      stream.on("data", (data) => {
        const chunk = data as Buffer;
        if (size < limit) chunks.push(Buffer.from(chunk.subarray(0, limit - size)));
        size += chunk.length;
      });
      stream.on("error", failed);
      stream.on("end", () => {
        if (limit > 0) this.kept.set(plainName(header.name), Buffer.concat(chunks));
        next();
      });
    });
  }

  /** @throws ArchiveError */
  async write(chunk: Uint8Array): Promise<void> {
    if (!this.failure && !this.tar.write(chunk)) {
      await Promise.race([this.drained(), this.finished]);
    }
    if (this.failure) throw this.failure;
  }

  /** After the last byte. @throws ArchiveError */
  async end(): Promise<Contents> {
    if (!this.failure) this.tar.end(undefined);
    await this.finished;
    if (this.failure) throw this.failure;
    const core = [...this.kept].find(([name]) => name.startsWith("checkpoint/core-"))?.[1];
    const log = this.kept.get("dump.log")?.toString("latin1") ?? "";
    const stats = this.kept.get("stats-dump");
    return {
      files: this.kept,
      sizes: this.sizes,
      architecture: core && architectureIn(core),
      criuVersion: /\bVersion: ([\w.-]+)/.exec(log)?.[1],
      frozenMs: stats && frozenMsIn(stats),
      tcpConnections: this.tcpConnections,
    };
  }

  /** Takes note of an entry. @returns how many bytes of it to keep */
  private enter({ name: raw, type, size }: Header): number {
    const name = plainName(raw);
    const wrong = problemOf(name, raw, type);
    if (wrong !== undefined) this.fail(`has an entry ${JSON.stringify(raw.slice(0, 80))} ${wrong}`);
    else if (this.names.has(name)) this.fail(`has the entry ${name} twice`);
    else if (this.names.size >= MAX_ENTRIES) this.fail(`has more than ${MAX_ENTRIES} entries`);
    else if (DESCRIPTIONS.has(name) && size > MAX_DESCRIPTION)
      this.fail(`has a ${name} of ${size} bytes; at most ${MAX_DESCRIPTION} are read`);
    this.names.add(name);
    if (type !== "file") return 0;
    if (name.startsWith("checkpoint/")) this.sizes.checkpoint += size;
    if (name.startsWith("checkpoint/pages-")) this.sizes.memory += size;
    if (name.startsWith("checkpoint/tcp-stream-")) this.tcpConnections++;
    if (name === "rootfs-diff.tar") this.sizes.rootfsDiff = size;
    if (name === "devshm-checkpoint.tar") this.sizes.devShm = size;
    if (DESCRIPTIONS.has(name)) return MAX_DESCRIPTION;
    return name === "dump.log" || this.isFirstCore(name) ? HEAD : 0;
  }

  private drained(): Promise<void> {
    return new Promise((resolve) => this.tar.once("drain", () => resolve()));
  }

  private isFirstCore(name: string): boolean {
    return (
      name.startsWith("checkpoint/core-") &&
      ![...this.kept.keys()].some((kept) => kept.startsWith("checkpoint/core-"))
    );
  }

  private fail(what: string): void {
    this.failure = new ArchiveError(`${this.file}: ${what}; it is not used`);
  }

  private refusal({ message }: Error): Error {
    return new ArchiveError(
      `${this.file}: is not a whole, uncompressed tar (${message}); give the archive that the kubelet wrote, once it has answered`,
    );
  }
}

/** CRI-O writes the folder itself as `.` and some names with it in front. */
function plainName(name: string): string {
  return name.replace(/^(\.\/)+/, "").replace(/\/+$/, "");
}

function problemOf(name: string, raw: string, type: Header["type"]): string | undefined {
  if (type !== "file" && type !== "directory") return `that is a ${type}, not a file or folder`;
  const parts = name.split("/");
  if (raw.startsWith("/") || parts.includes("..")) return "that leads out of the archive";
  if (name === "." || name === "") return type === "directory" ? undefined : "without a name";
  if (parts.some((part) => part === "" || part === ".") || /\p{Cc}/u.test(name)) return "with an odd name";
  // In a layer this would remove files instead of being one.
  return parts.some((part) => part.startsWith(".wh.")) ? "that is a whiteout" : undefined;
}
