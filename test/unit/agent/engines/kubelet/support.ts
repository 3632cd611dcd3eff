import { basename, dirname, join } from "node:path";
import { ArchiveError, type ArchiveMetadata, type PushedImage } from "../../../../../agent/archive";
import { ArchiveDirectory } from "../../../../../agent/engines/kubelet/archives";
import type { JobContext, Push } from "../../../../../agent/engines/kubelet/context";
import type { JournalEntry } from "../../../../../agent/engines/kubelet/journal";
import { KubeletWork } from "../../../../../agent/engines/kubelet/job";
import { NODE_CHECKPOINT, Queue, type NodeCheckpointObject } from "../../../../../agent/work";
import { KubeletError } from "../../../../../clients/kubelet";
import { RegistryError } from "../../../../../clients/registry";
import { Cache, Client, pathOf } from "../../../../../kube";
import { FakeApi, type Stored } from "../../../../../testbed/fake-api";
import type { VirtualTime } from "../../../../support/virtual-time";
import { Mortal, silent } from "../mortal";

export const NAMESPACE = "cedana-system";
export const COLLECTION = pathOf(NODE_CHECKPOINT, NAMESPACE);
const REPOSITORY = "registry.example.com/checkpoints";
/** The ratios of the real times, for a kubelet that takes milliseconds. */
const TIMES = { quietMs: 100, settleMs: 250, kubeletMs: 3000, backoffMs: [1, 8] as const };
const COMPLETE = "complete";
const PARTIAL = "partial";

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** How the kubelet handles a request. */
export type KubeletResponse =
  | "archive"
  /** The dump fails and leaves a partial archive. */
  | "fails"
  | "not-found"
  | "unreachable"
  /** The archive is written, and the response is lost. */
  | "lost"
  /** The response is lost, and the archive is partial. */
  | "lost-part";

/** The archive directory in memory: a real file system would need real time. */
class Disk {
  private readonly stored = new Map<string, { readonly text: string; readonly changedMs: number }>();

  write(path: string, text: string): void {
    this.stored.set(path, { text, changedMs: Date.now() });
  }

  read(path: string): string {
    return this.entry(path).text;
  }

  names(directory: string): string[] {
    return [...this.stored.keys()]
      .filter((path) => dirname(path) === directory)
      .map((path) => basename(path));
  }

  /** Returns the functions that an ArchiveDirectory calls. */
  functions(): ConstructorParameters<typeof ArchiveDirectory>[1] {
    return {
      readdir: async (directory: string) => this.names(directory),
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

/** Simulates kubelet, registry, disk and API server of one node. They outlive the agent's processes. */
export class Node {
  readonly api = new FakeApi();
  readonly disk = new Disk();
  readonly archives = "/var/lib/kubelet/checkpoints";
  /** Content of the journal. disk.test.ts tests its files. */
  readonly entries = new Map<string, JournalEntry>();
  /** Containers whose checkpoint was requested of the kubelet. */
  readonly requests: string[] = [];
  readonly pushed = new Set<string>();
  /** For the next requests; later ones result in an archive. */
  responses: KubeletResponse[] = [];
  registryDown = false;
  archiveBytes = 100;
  freeBytes = 1e9;
  quotaBytes = 1e6;
  maxConcurrent = 2;
  dumpMs = 3;
  /** Violated invariants. */
  readonly violations: string[] = [];
  private readonly requested: string[] = [];
  private readonly dumping = new Map<string, number>();
  private readonly processes: Process[] = [];

  constructor(private readonly time: VirtualTime) {}

  start(options: { readonly dieAt?: number; readonly maxConcurrent?: number } = {}): Process {
    const process = new Process(this, options);
    this.processes.push(process);
    return process;
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

  /** Returns the object; undefined if it was deleted. */
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

  /** Returns the file names in the archive directory. */
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

  /** Advances time until a condition holds. @throws Error after a minute, with the conditions of all objects */
  async until(holds: () => boolean): Promise<void> {
    for (const endMs = this.time.nowMs + 60_000; !holds(); await this.time.pass(1)) {
      if (this.time.nowMs < endMs) continue;
      const all = this.requested.map((name) => `${name}: ${this.condition(name)}`);
      throw new Error(`not reached within 60 s: ${all.join(", ")}; journal ${this.journal().join(", ")}`);
    }
  }

  /** Handles a request. If the agent dies meanwhile, the kubelet leaves no archive, a partial one, or a complete one. */
  async checkpoint(pod: string, container: string, dead: () => boolean): Promise<readonly string[]> {
    const key = `${pod}/${container}`;
    this.requests.push(key);
    const response = this.responses.shift() ?? "archive";
    const rejection = (status: number | undefined, retryable: boolean) =>
      new KubeletError("rejected", { status, outcome: "refused", retryable });
    if (response === "not-found") throw rejection(404, false);
    if (response === "unreachable") throw rejection(undefined, true);
    const at = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString().replace(".000", "");
    const file = join(this.archives, `checkpoint-${pod}_shop-${container}-${at}.tar`);
    const concurrent = (this.dumping.get(key) ?? 0) + 1;
    this.dumping.set(key, concurrent);
    if (concurrent > 1) this.violations.push(`two checkpoints of ${key} at a time`);
    await pause(this.dumpMs);
    const clientDied = dead();
    const partial = response === "fails" || response === "lost-part";
    if (!clientDied || this.requests.length % 3 !== 0) {
      this.disk.write(file, PARTIAL);
      await pause(1);
      if (!partial && !(clientDied && this.requests.length % 3 === 1))
        this.disk.write(file, COMPLETE.padEnd(this.archiveBytes, "."));
    }
    this.dumping.set(key, (this.dumping.get(key) ?? 1) - 1);
    if (response === "fails")
      throw new KubeletError("criu failed", { status: 500, outcome: "failed", retryable: true });
    if (response !== "archive")
      throw new KubeletError("connection lost", { outcome: "unknown", retryable: true });
    return [file];
  }

  push: Push = async ({ file, image, check }) => {
    await pause(1);
    if (!this.disk.read(file).startsWith(COMPLETE)) throw new ArchiveError(file, "is truncated");
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

/** Runs one process of the agent. A killed process has no further effect; its writes remain. */
export class Process {
  readonly ready: Promise<void>;
  private readonly stopping = new AbortController();
  private readonly ending = new AbortController();
  private readonly mortal: Mortal;
  private worker?: Pick<Queue<never, never>, "start" | "drained">;

  constructor(node: Node, options: { readonly dieAt?: number; readonly maxConcurrent?: number }) {
    this.mortal = new Mortal(options.dieAt, () => {
      this.stopping.abort(new Error("killed"));
      this.ending.abort();
    });
    const { mortal } = this;
    const { api } = node;
    const cache = new Cache({ transport: api, log: silent });
    const nodeCheckpoints = cache.objects(NODE_CHECKPOINT, {
      namespaces: [NAMESPACE],
      labelSelector: "automation.cedana.ai/node=n1",
    });
    const archives = new ArchiveDirectory(node.archives, node.disk.functions());
    const { quotaBytes, maxConcurrent } = node;
    const context: JobContext = {
      settings: {
        namespace: NAMESPACE,
        repository: REPOSITORY,
        quotaBytes,
        reserveBytes: 1000,
        maxConcurrent: options.maxConcurrent ?? maxConcurrent,
      },
      client: new Client(mortal.wrap({ send: api.send.bind(api) }), { fieldManager: "cedana-agent" }),
      kubelet: mortal.wrap({
        checkpoint: ({ pod, container }: { pod: string; container: string }) =>
          node.checkpoint(pod, container, () => mortal.dead),
      }),
      journal: mortal.wrap({
        load: async () => {},
        get: (uid: string) => node.entries.get(uid),
        list: () => [...node.entries.values()],
        put: async (entry: JournalEntry) => void node.entries.set(entry.uid, structuredClone(entry)),
        remove: async (uid: string) => void node.entries.delete(uid),
      }),
      archives: mortal.wrap(archives, { freeBytes: async () => node.freeBytes }),
      push: mortal.wrap({ push: node.push }).push,
      times: TIMES,
      log: silent,
    };
    void cache.run(this.ending.signal);
    this.ready = nodeCheckpoints.synced.then(() => {
      const work = new KubeletWork(context, this.stopping.signal);
      this.worker = new Queue(work, nodeCheckpoints, silent, this.stopping.signal);
      return this.worker.start();
    });
  }

  /** Stops as on SIGTERM. */
  async stop(): Promise<void> {
    this.stopping.abort(new Error("the agent is stopping"));
    await this.worker?.drained();
    this.kill();
  }

  get dead(): boolean {
    return this.mortal.dead;
  }

  kill(): void {
    this.mortal.kill();
  }
}
