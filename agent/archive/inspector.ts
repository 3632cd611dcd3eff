import { extract, type Extract, type Header } from "tar-stream";
import { architectureIn, frozenMsIn } from "./criu-images";

/** The file is not a checkpoint archive, or must not become an image. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";

  /** @param subject the file, or the name of the invalid option */
  constructor(
    readonly subject: string,
    readonly problem: string,
    readonly remedy?: string,
  ) {
    super(`${subject}: ${problem}${remedy === undefined ? "" : `; ${remedy}`}`);
  }
}

/** Content of an archive, as collected while it was read. */
export interface Contents {
  /** The small files that describe the container, by name. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly sizes: ArchiveSizes;
  /** OCI architecture: `amd64`, `arm64`, ... */
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
  /** Memory pages, part of `checkpoint`. */
  readonly memory: number;
  /** Changes in the container's root file system, as packed. */
  readonly rootfsDiff: number;
  /** /dev/shm as a separate file, which Podman and CRI-O write; containerd does not. */
  readonly devShm: number;
}

const DESCRIPTIONS = new Set(["config.dump", "spec.dump", "status.dump", "stats-dump"]);
/** Larger than any spec that Kubernetes accepts: etcd limits an object to 1.5 MiB. */
const MAX_DESCRIPTION = 4 << 20;
/** Bytes that are read of CRIU's log and images. */
const HEAD_BYTES = 4096;
/** Each process has about ten files. */
const MAX_ENTRIES = 200_000;

/**
 * Inspects a tar while it is read and keeps only the files that describe it. Rejects entries that a container runtime would
 * unpack differently: links, devices, paths that leave the archive, whiteouts and duplicate names.
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
      this.failure ??= this.invalidTar(error);
    };
    this.tar.on("error", failed);
    this.tar.on("entry", (header, stream, next) => {
      const limit = this.addEntry(header);
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

  /** Returns the content, after the last byte. @throws ArchiveError */
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

  /** Records an entry. @returns how many of its bytes to keep */
  private addEntry({ name: raw, type, size }: Header): number {
    const name = plainName(raw);
    const problem = problemOf(name, raw, type);
    if (problem !== undefined) this.fail(`has an entry ${JSON.stringify(raw.slice(0, 80))} ${problem}`);
    else if (this.names.has(name)) this.fail(`has a duplicate entry ${name}`);
    else if (this.names.size >= MAX_ENTRIES) this.fail(`has more than ${MAX_ENTRIES} entries`);
    else if (DESCRIPTIONS.has(name) && size > MAX_DESCRIPTION)
      this.fail(`has a ${name} of ${size} bytes, more than ${MAX_DESCRIPTION}`);
    this.names.add(name);
    if (type !== "file") return 0;
    if (name.startsWith("checkpoint/")) this.sizes.checkpoint += size;
    if (name.startsWith("checkpoint/pages-")) this.sizes.memory += size;
    if (name.startsWith("checkpoint/tcp-stream-")) this.tcpConnections++;
    if (name === "rootfs-diff.tar") this.sizes.rootfsDiff = size;
    if (name === "devshm-checkpoint.tar") this.sizes.devShm = size;
    if (DESCRIPTIONS.has(name)) return MAX_DESCRIPTION;
    return name === "dump.log" || this.isFirstCore(name) ? HEAD_BYTES : 0;
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

  private fail(problem: string): void {
    this.failure = new ArchiveError(this.file, problem);
  }

  private invalidTar({ message }: Error): Error {
    return new ArchiveError(
      this.file,
      `is not a complete, uncompressed tar (${message})`,
      "use the kubelet's archive after the kubelet has responded",
    );
  }
}

/** Removes a leading `./` and trailing slashes. CRI-O writes an entry `.` and prefixes some names with it. */
function plainName(name: string): string {
  return name.replace(/^(\.\/)+/, "").replace(/\/+$/, "");
}

function problemOf(name: string, raw: string, type: Header["type"]): string | undefined {
  if (type !== "file" && type !== "directory") return `of type ${type}, not a file or directory`;
  const parts = name.split("/");
  if (raw.startsWith("/") || parts.includes("..")) return "that leaves the archive";
  if (name === "." || name === "") return type === "directory" ? undefined : "without a name";
  if (parts.some((part) => part === "" || part === ".") || /\p{Cc}/u.test(name))
    return "with an invalid name";
  // In an image layer a whiteout removes files.
  return parts.some((part) => part.startsWith(".wh.")) ? "that is a whiteout" : undefined;
}
