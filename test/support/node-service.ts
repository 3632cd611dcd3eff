import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CheckpointMetadata, StreamDigest } from "../../clients/node-service";

interface FakePart {
  readonly bytes: Buffer;
  readonly uncompressedSize: number;
}

export interface SeenCall {
  readonly method: string;
  readonly params: Record<string, unknown>;
}

/** A response in place of the normal one, or a fault of the connection. */
export type NodeFault =
  | {
      readonly reason: string;
      readonly message?: string;
      readonly container?: string;
      readonly remedy?: string;
    }
  /** Export: closes the connection after so many bytes of the part. Stage: fails after so many. */
  | { readonly cutAfter: number }
  /** Export: the error in place of the segment with this byte. */
  | { readonly failAfter: number; readonly reason: string }
  /** Sends these bytes and closes the connection. */
  | { readonly raw: string }
  | "silent";

/** A fake of `cedana-noded` on a unix socket, with checkpoints and stagings in memory. */
export class FakeNodeService {
  /** Parts by UID and name; the bytes are as the service sends them. */
  readonly checkpoints = new Map<string, Map<string, FakePart>>();
  /** Parts by pod and name. */
  readonly staged = new Map<string, Map<string, Buffer>>();
  /** Pieces that a lazy `stage`, and then `load`, ask for in these orders. Without them `stage` asks for all bytes. */
  pieces?: { readonly stage: readonly number[]; readonly load: readonly number[] };
  /** Pieces that were sent, with their content. */
  readonly received: { readonly method: string; readonly piece: number; readonly bytes: Buffer }[] = [];
  /** Checkpoints of plans by pod. */
  readonly plans = new Map<string, string>();
  readonly seen: SeenCall[] = [];
  /** Results of methods without a normal one. */
  readonly results = new Map<string, unknown>();
  /** Produce the results of methods without a fixed one. */
  readonly handlers = new Map<string, (params: Record<string, unknown>) => Promise<unknown>>();
  /** Bytes of an exported segment. */
  segmentBytes = 16 << 20;
  fault?: (call: SeenCall, nth: number) => NodeFault | undefined;
  /** The most streams that were open at a time. */
  mostStreams = 0;
  private streams = 0;
  private readonly directory = mkdtempSync(join(tmpdir(), "node-service-"));
  private readonly counts = new Map<string, number>();
  private readonly sockets = new Set<Socket>();
  private readonly server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    this.sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => this.sockets.delete(socket));
    this.serve(socket).catch(() => socket.destroy());
  });

  readonly socket = join(this.directory, "node.sock");

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(this.socket, resolve));
    return this;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.directory, { recursive: true, force: true });
  }

  get openConnections(): number {
    return this.sockets.size;
  }

  /** Adds a checkpoint. The content of each part is random for a name, so that parts differ. */
  add(metadata: CheckpointMetadata, parts: Readonly<Record<string, Buffer>>): void {
    const text = Buffer.from(`${JSON.stringify(metadata)}\n`);
    const all = Object.entries({ metadata: text, ...parts });
    const stored = all.map(([name, bytes]) => [name, { bytes, uncompressedSize: 2 * bytes.length }] as const);
    this.checkpoints.set(metadata.uid, new Map(stored));
  }

  private async serve(socket: Socket): Promise<void> {
    const input = socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
    let buffered = Buffer.alloc(0);
    while (!buffered.includes("\n")) {
      const { value, done } = await input.next();
      if (done) return void socket.end();
      buffered = Buffer.concat([buffered, value]);
    }
    const { id, method, params } = JSON.parse(buffered.toString()) as SeenCall & { id: string };
    const call = { method, params };
    this.seen.push(call);
    const nth = (this.counts.get(method) ?? 0) + 1;
    this.counts.set(method, nth);
    const fault = this.fault?.(call, nth);
    if (fault === "silent") {
      socket.resume().once("end", () => socket.destroy());
      return;
    }
    if (fault && "raw" in fault) return void socket.end(fault.raw);
    const respond = (body: object) => socket.write(`${JSON.stringify({ id, ...body })}\n`);
    if (fault && "reason" in fault && !("failAfter" in fault)) {
      respond({ error: { message: "it failed", ...fault } });
      return void socket.end();
    }
    this.mostStreams = Math.max(this.mostStreams, ++this.streams);
    try {
      if (method === "export") await this.export(socket, params, respond, fault);
      else if (method === "load" || (params["lazy"] === true && this.pieces !== undefined))
        await this.ask(method === "load" ? "load" : "stage", input, params, respond);
      else if (method === "stage") await this.stage(input, params, respond, fault);
      else respond({ result: this.results.get(method) ?? (await this.handlers.get(method)?.(params)) ?? {} });
      // What a client still sends is not of interest, but its end is.
      await input.return?.();
      socket.end().resume();
    } finally {
      this.streams--;
    }
  }

  private async export(
    socket: Socket,
    { uid, part }: Record<string, unknown>,
    respond: (body: object) => void,
    fault?: NodeFault,
  ): Promise<void> {
    const found = this.checkpoints.get(String(uid))?.get(String(part));
    if (!found) return respond({ error: { reason: "PartNotFound", message: "no such part" } });
    const { bytes, uncompressedSize } = found;
    respond({ result: { size: uncompressedSize } });
    const limit = typeof fault === "object" && "cutAfter" in fault ? fault.cutAfter : Infinity;
    const fails = typeof fault === "object" && "failAfter" in fault ? fault.failAfter : Infinity;
    for (let at = 0; at < bytes.length; at += this.segmentBytes) {
      const content = bytes.subarray(at, at + this.segmentBytes);
      if (at + content.length > fails)
        return respond({ error: { ...(fault as object), message: "it failed" } });
      respond({ result: segmentOf(content) });
      await new Promise<void>((resolve) => socket.write(content.subarray(0, limit - at), () => resolve()));
      if (at + content.length > limit) socket.destroy();
      if (socket.destroyed) return;
    }
    respond({ result: { size: 0, sha256: "" } });
  }

  /** Asks for pieces, two of them before the first one has come. */
  private async ask(
    method: "stage" | "load",
    input: AsyncIterator<Buffer>,
    { segments }: Record<string, unknown>,
    respond: (body: object) => void,
  ): Promise<void> {
    const order = this.pieces?.[method] ?? [];
    if (order.length === 0) return respond({ result: { ready: false } });
    respond({ result: { ready: true, pieces: true } });
    let buffered = Buffer.alloc(0);
    for (const [at, piece] of order.entries()) {
      for (const next of order.slice(at === 0 ? 0 : at + 1, at + 2)) respond({ result: { piece: next } });
      const { size, sha256 } = (segments as readonly StreamDigest[])[piece]!;
      while (buffered.length < size) {
        const { value, done } = await input.next();
        if (done) return respond({ error: { reason: "StageFailed", message: "bytes are missing" } });
        buffered = Buffer.concat([buffered, value]);
      }
      const bytes = buffered.subarray(0, size);
      buffered = buffered.subarray(size);
      if (segmentOf(bytes).sha256 !== sha256)
        return respond({ error: { reason: "ContentInvalid", message: "the content differs" } });
      this.received.push({ method, piece, bytes: Buffer.from(bytes) });
    }
    respond({ result: {} });
  }

  private async stage(
    input: AsyncIterator<Buffer>,
    { podUID, part, ...rest }: Record<string, unknown>,
    respond: (body: object) => void,
    fault?: NodeFault,
  ): Promise<void> {
    const parts = this.staged.get(String(podUID)) ?? new Map<string, Buffer>();
    this.staged.set(String(podUID), parts);
    if (parts.has(String(part))) return respond({ result: { ready: false } });
    respond({ result: { ready: true } });
    const limit = typeof fault === "object" && "cutAfter" in fault ? fault.cutAfter : Infinity;
    const segments = rest["segments"] as readonly { readonly size: number; readonly sha256: string }[];
    const size = segments.reduce((sum, each) => sum + each.size, 0);
    const chunks: Buffer[] = [];
    let received = 0;
    while (received < size) {
      const { value, done } = await input.next();
      if (done) return respond({ error: { reason: "StageFailed", message: "bytes are missing" } });
      chunks.push(value);
      received += value.length;
      if (received >= limit)
        return respond({ error: { reason: "InsufficientSpace", message: "the disk is full" } });
    }
    const bytes = Buffer.concat(chunks);
    let at = 0;
    for (const each of segments) {
      if (segmentOf(bytes.subarray(at, (at += each.size))).sha256 !== each.sha256)
        return respond({ error: { reason: "StageFailed", message: "the content differs" } });
    }
    parts.set(String(part), bytes);
    respond({ result: {} });
  }
}

/** Returns size and sha256 of bytes that are sent. */
export function segmentOf(content: Buffer): StreamDigest {
  return { size: content.length, sha256: createHash("sha256").update(content).digest("hex") };
}

/** Returns the metadata of a checkpoint of a pod with the containers `app` and `log`, one emptyDir and shared memory. */
export function checkpointMetadata(uid = "cp"): CheckpointMetadata {
  const file = { size: 1000, crc32c: "0".repeat(8) };
  const container = (name: string) => ({
    name,
    image: `sha256:${"1".repeat(64)}`,
    mounts: [
      { destination: "/proc", type: "proc" },
      { destination: "/etc/hosts", type: "bind" },
      { destination: "/dev/shm", type: "bind" },
      { destination: "/var/run/secrets/kubernetes.io/serviceaccount", type: "bind", readOnly: true },
      { destination: "/data", type: "bind", volume: "data" },
      ...(name === "app" ? [{ destination: "/claim", type: "bind" }] : []),
    ],
    files: [
      { path: "images/inventory.img", ...file },
      { path: "rootfs.tar", ...file },
    ],
  });
  return {
    version: 1,
    uid,
    createdAt: "2026-11-27T09:00:00Z",
    pod: { uid: "pod-1", namespace: "shop", name: "web" },
    node: { kernel: "6.1.0", architecture: "amd64", cgroup: "v1", criu: "4.2.1", runc: "1.4.3" },
    tcp: "close",
    containers: [container("app"), container("log")],
    volumes: [{ name: "data", ...file }],
    sharedMemory: file,
    frozenNanoseconds: 1_500_000,
    preDump: { passes: 1, frozenNanoseconds: 600_000 },
  };
}
