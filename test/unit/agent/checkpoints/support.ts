import { basename, dirname, join } from "node:path";
import { ArchiveError, type ArchiveMetadata, type PushedImage } from "../../../../agent/archive";
import { ArchiveFolder } from "../../../../agent/checkpoints/archives";
import type { Entry } from "../../../../agent/checkpoints/journal";
import { NODE_CHECKPOINT, type NodeCheckpointObject } from "../../../../agent/checkpoints/object";
import type { Push, Tools } from "../../../../agent/checkpoints/tools";
import { Worker } from "../../../../agent/checkpoints/worker";
import { KubeletError } from "../../../../clients/kubelet";
import { RegistryError } from "../../../../clients/registry";
import { Cache, Client, createLogger, pathOf } from "../../../../kube";
import { FakeApi, type Stored } from "../../../support/fake-api";
import type { VirtualTime } from "../../../support/virtual-time";

export const NAMESPACE = "cedana-system";
export const COLLECTION = pathOf(NODE_CHECKPOINT, NAMESPACE);
const REPOSITORY = "registry.example.com/checkpoints";
/** Times in the proportions of the real ones, of a kubelet that takes some milliseconds. */
const TIMES = { quietMs: 100, settleMs: 250, kubeletMs: 3000, backoffMs: [1, 8] as const };
const WHOLE = "whole";
const PART = "part";

const silent = createLogger({ level: "error", destination: { write: () => {} } });
const never = new Promise<never>(() => {});
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** What the kubelet does with a request. */
export type KubeletAnswer =
  | "archive"
  /** The dump fails, with a part of an archive left. */
  | "fails"
  | "not-found"
  | "unreachable"
  /** The archive is written, and the response is lost. */
  | "lost"
  /** The response is lost, and a part of the archive is written. */
  | "lost-part";

/** The folder of archives, in memory: the real file system would take real time. */
class Disk {
  private readonly stored = new Map<string, { readonly text: string; readonly changedMs: number }>();

  write(path: string, text: string): void {
    this.stored.set(path, { text, changedMs: Date.now() });
  }

  read(path: string): string {
    return this.entry(path).text;
  }

  names(folder: string): string[] {
    return [...this.stored.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path));
  }

  /** What an ArchiveFolder calls. */
  calls(): ConstructorParameters<typeof ArchiveFolder>[1] {
    return {
      readdir: async (folder: string) => this.names(folder),
      lstat: async (path: string) => {
        const { text, changedMs } = this.entry(path);
        return { isFile: () => true, size: text.length, mtimeMs: changedMs };
      },
      unlink: async (path: string) => {
        this.entry(path);
        this.stored.delete(path);
      },
    } as never;
  }

  private entry(path: string) {
    const entry = this.stored.get(path);
    if (!entry) throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
    return entry;
  }
}

/** Kubelet, registry, disk and API server of one node, which outlive the agent's processes. */
export class Node {
  readonly api = new FakeApi();
  readonly disk = new Disk();
  readonly archives = "/var/lib/kubelet/checkpoints";
  /** The journal as it is on the disk; its files have their own test. */
  readonly entries = new Map<string, Entry>();
  /** Containers whose checkpoint was requested of the kubelet. */
  readonly asked: string[] = [];
  readonly pushed = new Set<string>();
  /** Of the next requests; later ones get an archive. */
  answers: KubeletAnswer[] = [];
  registryDown = false;
  archiveBytes = 100;
  freeBytes = 1e9;
  quotaBytes = 1e6;
  maxConcurrent = 2;
  dumpMs = 3;
  /** Violations of what must hold. */
  readonly wrong: string[] = [];
  private readonly requested: string[] = [];
  private readonly dumping = new Map<string, number>();
  private readonly processes: Process[] = [];

  constructor(private readonly time: VirtualTime) {}

  start(options: { readonly dieAt?: number; readonly maxConcurrent?: number } = {}): Process {
    const made = new Process(this, options);
    this.processes.push(made);
    return made;
  }

  end(): void {
    for (const one of this.processes) one.kill();
  }

  /** Creates a NodeCheckpoint. */
  request(
    name: string,
    more: { container?: string; timeoutSeconds?: number; pod?: string; image?: string } = {},
  ): Stored {
    const { container = "app", timeoutSeconds = 60, pod = "web", image = `${REPOSITORY}:${name}` } = more;
    this.requested.push(name);
    return this.api.put(COLLECTION, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "NodeCheckpoint",
      metadata: { name, namespace: NAMESPACE, labels: { "automation.cedana.ai/node": "n1" } },
      spec: {
        nodeName: "n1",
        podRef: { namespace: "shop", name: pod, uid: `uid-of-${pod}` },
        containerName: container,
        image,
        timeoutSeconds,
      },
    } as never);
  }

  /** The object, or undefined once it is deleted. */
  object(name: string): NodeCheckpointObject | undefined {
    const stored = this.api.get(`${COLLECTION}/${name}`);
    return stored && NODE_CHECKPOINT.project(stored as never);
  }

  /** Returns the condition that holds, or `-`, and the reason: `Ready CheckpointCompleted`. */
  condition(name: string): string {
    const conditions = this.object(name)?.status.conditions ?? [];
    const holds = conditions.find(({ status }) => status === "True");
    return `${holds?.type ?? "-"} ${conditions[0]?.reason ?? "-"}`;
  }

  message(name: string): string {
    return this.object(name)?.status.conditions?.[0]?.message ?? "";
  }

  /** Names of the files in the folder of archives. */
  files(): string[] {
    return this.disk.names(this.archives).toSorted();
  }

  journal(): string[] {
    return [...this.entries.keys()];
  }

  /** Waits until all objects are finished and the journal is empty. */
  async finished(names: readonly string[]): Promise<void> {
    const open = () =>
      this.journal().length > 0 ||
      names.some((name) => this.object(name) !== undefined && !/^(Ready|Failed) /.test(this.condition(name)));
    await this.until(() => !open());
  }

  /** Lets time pass until it holds. @throws Error after a minute, with the conditions of all objects */
  async until(holds: () => boolean): Promise<void> {
    for (const endMs = this.time.nowMs + 60_000; !holds(); await this.time.pass(1)) {
      if (this.time.nowMs < endMs) continue;
      const all = this.requested.map((name) => `${name}: ${this.condition(name)}`);
      throw new Error(`not within 60 s: ${all.join(", ")}; journal ${this.journal().join(", ")}`);
    }
  }

  /** One request. Where the agent dies meanwhile, the kubelet leaves nothing, a part, or the whole archive. */
  async checkpoint(pod: string, container: string, dead: () => boolean): Promise<readonly string[]> {
    const key = `${pod}/${container}`;
    this.asked.push(key);
    const answer = this.answers.shift() ?? "archive";
    const refused = (status: number | undefined, retryable: boolean) =>
      new KubeletError("refused", { status, outcome: "refused", retryable });
    if (answer === "not-found") throw refused(404, false);
    if (answer === "unreachable") throw refused(undefined, true);
    const at = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString().replace(".000", "");
    const file = join(this.archives, `checkpoint-${pod}_shop-${container}-${at}.tar`);
    const atOnce = (this.dumping.get(key) ?? 0) + 1;
    this.dumping.set(key, atOnce);
    if (atOnce > 1) this.wrong.push(`two checkpoints of ${key} at a time`);
    await pause(this.dumpMs);
    const cut = dead();
    const part = answer === "fails" || answer === "lost-part";
    if (!cut || this.asked.length % 3 !== 0) {
      this.disk.write(file, PART);
      await pause(1);
      if (!part && !(cut && this.asked.length % 3 === 1))
        this.disk.write(file, WHOLE.padEnd(this.archiveBytes, "."));
    }
    this.dumping.set(key, (this.dumping.get(key) ?? 1) - 1);
    if (answer === "fails")
      throw new KubeletError("criu failed", { status: 500, outcome: "failed", retryable: true });
    if (answer !== "archive") throw new KubeletError("cut", { outcome: "unknown", retryable: true });
    return [file];
  }

  push: Push = async ({ file, image, check }) => {
    await pause(1);
    if (!this.disk.read(file).startsWith(WHOLE)) throw new ArchiveError(file, "is truncated");
    check({ pod: { uid: `uid-of-${/checkpoint-(.+?)_/.exec(file)?.[1]}` } } as ArchiveMetadata);
    if (this.registryDown) throw new RegistryError("upload of a blob", image, "down", { status: 503 });
    this.pushed.add(image);
    const metadata = {
      engine: "containerd",
      containerName: "app",
      pod: {},
      baseImage: { name: "base:1", reference: "base@sha256:aa", digest: "sha256:aa" },
      checkpointedAt: new Date(0),
      frozenMs: 12.4,
      mounts: [],
      tcpConnections: 0,
    } as unknown as ArchiveMetadata;
    const size = this.archiveBytes;
    return { image: `${image}@d`, digest: "d", size, architecture: "amd64", metadata } satisfies PushedImage;
  };
}

/** One process of the agent. A dead one has no further effect; what it wrote stays. */
export class Process {
  steps = 0;
  dead = false;
  readonly ready: Promise<void>;
  private readonly stopping = new AbortController();
  private readonly ending = new AbortController();
  private worker?: Worker;

  constructor(
    node: Node,
    private readonly options: { readonly dieAt?: number; readonly maxConcurrent?: number },
  ) {
    const { api } = node;
    const cache = new Cache({ transport: api, log: silent });
    const nodeCheckpoints = cache.objects(NODE_CHECKPOINT, {
      namespaces: [NAMESPACE],
      labelSelector: "automation.cedana.ai/node=n1",
    });
    const archives = new ArchiveFolder(node.archives, node.disk.calls());
    const { quotaBytes, maxConcurrent } = node;
    const tools: Tools = {
      settings: {
        namespace: NAMESPACE,
        repository: REPOSITORY,
        quotaBytes,
        reserveBytes: 1000,
        maxConcurrent: options.maxConcurrent ?? maxConcurrent,
      },
      client: new Client(this.mortal({ send: api.send.bind(api) }), { fieldManager: "cedana-agent" }),
      kubelet: this.mortal({
        checkpoint: ({ pod, container }: { pod: string; container: string }) =>
          node.checkpoint(pod, container, () => this.dead),
      }),
      journal: this.mortal({
        load: async () => {},
        get: (uid: string) => node.entries.get(uid),
        list: () => [...node.entries.values()],
        put: async (entry: Entry) => void node.entries.set(entry.uid, structuredClone(entry)),
        remove: async (uid: string) => void node.entries.delete(uid),
      }),
      archives: this.mortal(archives, { freeBytes: async () => node.freeBytes }),
      push: this.mortal({ push: node.push }).push,
      times: TIMES,
      log: silent,
    };
    void cache.run(this.ending.signal);
    this.ready = nodeCheckpoints.synced.then(() => {
      this.worker = new Worker(tools, nodeCheckpoints, this.stopping.signal);
      return this.worker.start();
    });
  }

  /** As by SIGTERM. */
  async stop(): Promise<void> {
    this.stopping.abort(new Error("the agent stops"));
    await this.worker?.drained();
    this.kill();
  }

  kill(): void {
    this.dead = true;
    this.stopping.abort(new Error("killed"));
    this.ending.abort();
  }

  /** Each call is two steps: the process may die before it, and after it, before the result arrives. */
  private mortal<T extends object>(target: T, instead: Partial<T> = {}): T {
    return new Proxy(target, {
      get: (_, name) => {
        const method = (instead as Record<PropertyKey, unknown>)[name] ?? Reflect.get(target, name, target);
        if (typeof method !== "function") return method;
        const isSync = ["get", "list", "holds"].includes(String(name));
        if (isSync) return method.bind(target);
        return async (...given: unknown[]) => {
          if (this.step()) return never;
          const work = (method as (...all: unknown[]) => Promise<unknown>).apply(target, given);
          const settle = await work.then(
            (value) => () => value,
            (error: unknown) => () => {
              throw error;
            },
          );
          return this.step() ? never : settle();
        };
      },
    });
  }

  private step(): boolean {
    if (!this.dead && ++this.steps === this.options.dieAt) this.kill();
    return this.dead;
  }
}
