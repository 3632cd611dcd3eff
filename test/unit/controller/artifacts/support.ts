/** The controller of artifacts of one process, on an API server in memory and a registry on this machine. */
import { createHash } from "node:crypto";
import {
  ARTIFACT_ANNOTATIONS,
  ARTIFACT_TYPE,
  type CheckpointSpec,
  type CheckpointStatus,
} from "../../../../api";
import { ClusterIdentity } from "../../../../controller/cluster";
import { DeletionReconciler } from "../../../../controller/artifacts/deletion";
import { Elsewhere } from "../../../../controller/artifacts/elsewhere";
import { registryWith, type Registry } from "../../../../controller/artifacts/registry";
import { Report } from "../../../../controller/artifacts/report";
import { Uses } from "../../../../controller/artifacts/uses";
import { CHECKPOINT } from "../../../../controller/checkpoints/objects";
import { Metrics, type EventInput } from "../../../../kube";
import { FakeApi, type Stored } from "../../../../testbed/fake-api";
import { Killable } from "../../../support/killable";
import { runtimeOn } from "../../../support/controller-runtime";
import { FakeRegistry, type FakeRegistryOptions } from "../../../support/registry";

const GROUP = "/apis/automation.cedana.ai/v1alpha1";
export const CHECKPOINTS = `${GROUP}/namespaces/team-a/checkpoints`;
export const NODE_RESTORES = `${GROUP}/namespaces/cedana-agents/noderestores`;
export const FINALIZER = "automation.cedana.ai/artifact";
export const CLUSTER = "11111111-2222-3333-4444-555555555555";
export const WAIT_MS = 3_600_000;
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** Returns a UID as those of real API servers. */
export const uidOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

/** Fakes the date only: the registry is real HTTP. */
export function fakeDate(now: number): void {
  jest.useFakeTimers({
    now,
    doNotFake: [
      "nextTick",
      "setImmediate",
      "setInterval",
      "setTimeout",
      "clearInterval",
      "clearTimeout",
      "clearImmediate",
      "performance",
      "queueMicrotask",
      "hrtime",
    ],
  });
}

/** Which annotations an artifact has. Default: those of a Checkpoint of the cluster in team-a. */
export interface ArtifactOptions {
  readonly uid?: string;
  readonly tag?: string;
  readonly namespace?: string;
  readonly cluster?: string | undefined;
  readonly created?: string;
  readonly artifactType?: string;
  readonly repository?: string;
}

/** One process. */
export class Process extends Killable {
  readonly events: EventInput[] = [];
  readonly metrics = new Metrics();
  readonly lines: object[] = [];
  readonly stopping = new AbortController();
  readonly reconciler: DeletionReconciler;
  readonly uses: Uses;
  readonly runtime;
  readonly checkpoints;
  readonly registry: Registry;
  readonly withdrawn: string[] = [];
  private readonly running: Promise<void>;

  constructor(world: World, dieAt?: number, namespaces: "all" | readonly string[] = "all") {
    super(dieAt);
    this.runtime = runtimeOn(this.transportOf(world.api), this);
    const { cache, client, events, metrics, log } = this.runtime;
    this.checkpoints = cache.objects(CHECKPOINT, { namespaces, skipDenied: true });
    this.uses = new Uses(this.checkpoints, cache, {
      settings: { namespaces: "all" } as never,
      method: { namespace: "cedana-agents" } as never,
    });
    const real = registryWith({ credentials: "none" });
    this.registry = {
      manifest: (...call) => this.step(() => real.manifest(...call)),
      delete: (...call) => this.step(() => real.delete(...call)),
      tags: (...call) => real.tags(...call),
    };
    this.reconciler = new DeletionReconciler({
      client,
      engine: {
        forget: async (id) => {
          await this.step(async () => void this.withdrawn.push(id));
        },
      },
      repositories: world.repositories,
      registry: this.registry,
      cluster: new ClusterIdentity(client),
      uses: this.uses,
      elsewhere: new Elsewhere(client),
      waitMs: WAIT_MS,
      checkpoint: (key) => this.checkpoints.get(key),
      report: new Report({ events, metrics, log, checkpoints: this.checkpoints }),
      log,
    });
    this.running = cache.run(this.stopping.signal);
  }

  /** Reconciles a Checkpoint until nothing is left to do now. @returns the delay until the next attempt, ms */
  async reconcile(name: string, namespace = "team-a"): Promise<number | undefined> {
    await this.synced();
    for (let at = 0; at < 10; at++) {
      const next = await this.alive(this.reconciler.reconcile(`${namespace}/${name}`, this.stopping.signal));
      if (next?.requeueAfterMs !== 1000) return next?.requeueAfterMs;
      await this.synced();
    }
    throw new Error("it always conflicts");
  }

  /** Waits until the caches have what the API server has. */
  async synced(): Promise<void> {
    await Promise.all([this.checkpoints.synced, this.uses.nodeRestores?.synced]);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  async end(): Promise<void> {
    this.stopping.abort(new Error("the test is over"));
    await this.running;
  }

  /** Rejects if the process dies. */
  private alive<T>(work: Promise<T>): Promise<T> {
    const dies = new Promise<never>((_, reject) => {
      const timer = setInterval(() => {
        if (this.dead) reject(new Error("killed"));
        if (this.dead) clearInterval(timer);
      }, 1);
      void work.finally(() => clearInterval(timer)).catch(() => undefined);
    });
    return Promise.race([work, dies]);
  }
}

/** The cluster and its registry. */
export class World {
  readonly api = new FakeApi();
  readonly registry: FakeRegistry;
  perNamespace = false;
  private readonly processes: Process[] = [];

  constructor(options: FakeRegistryOptions = {}) {
    this.registry = new FakeRegistry(options);
    this.api.putWithUID("/api/v1/namespaces", CLUSTER, { metadata: { name: "kube-system" } });
  }

  get repository(): string {
    return `${this.registry.host}/checkpoints`;
  }

  get repositories() {
    return { repository: this.repository, repositoryPerNamespace: this.perNamespace };
  }

  async start(): Promise<this> {
    await this.registry.start();
    return this;
  }

  process(dieAt?: number, namespaces?: readonly string[]): Process {
    const process = new Process(this, dieAt, namespaces);
    this.processes.push(process);
    return process;
  }

  async end(): Promise<void> {
    for (const process of this.processes) await process.end();
    await this.registry.stop();
  }

  /** Pushes an artifact. @returns its image, by digest */
  push(options: ArtifactOptions = {}): string {
    const { uid = uidOf(1), tag = uid, namespace = "team-a", repository = "checkpoints" } = options;
    const { artifactType = ARTIFACT_TYPE, created = "2026-11-01T00:00:00Z" } = options;
    const cluster = "cluster" in options ? options.cluster : CLUSTER;
    const annotations = {
      [ARTIFACT_ANNOTATIONS.uid]: uid,
      [ARTIFACT_ANNOTATIONS.namespace]: namespace,
      [ARTIFACT_ANNOTATIONS.created]: created,
      ...(cluster === undefined ? {} : { [ARTIFACT_ANNOTATIONS.cluster]: cluster }),
    };
    const content = Buffer.from(JSON.stringify({ schemaVersion: 2, artifactType, annotations }));
    const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
    const manifest = { mediaType: MANIFEST, content };
    this.registry.manifests.set(`${repository}/${tag}`, manifest);
    this.registry.manifests.set(`${repository}/${digest}`, manifest);
    return `${this.registry.host}/${repository}@${digest}`;
  }

  has(image: string): boolean {
    const [name = "", digest = ""] = image.split("@");
    return this.registry.manifests.has(`${name.slice(name.indexOf("/") + 1)}/${digest}`);
  }

  /** Creates a Checkpoint with a UID. It is completed with the image, unless the status is given. */
  checkpoint(
    name: string,
    {
      uid,
      image,
      spec = {},
      status,
      record,
      namespace = "team-a",
    }: {
      readonly uid: string;
      readonly image?: string;
      readonly spec?: Partial<CheckpointSpec>;
      readonly status?: CheckpointStatus;
      readonly record?: object;
      readonly namespace?: string;
    },
  ): void {
    const path = `${GROUP}/checkpoints`;
    const ready = { type: "Ready", status: "True", reason: "CheckpointCompleted", message: "" } as const;
    const completed = {
      conditions: [{ ...ready, lastTransitionTime: "2026-11-01T00:00:00Z" }],
      containers: [{ name: "app", ...(image === undefined ? {} : { location: image }) }],
      completionTime: "2026-11-01T00:00:00Z",
    };
    this.api.putWithUID(path, uid, {
      metadata: { name, namespace },
      spec: { podRef: { name: "web-0" }, deletionPolicy: "Delete", ...spec },
      record: record ?? { checkpointUID: uid },
      status: status ?? completed,
    } as never);
  }

  /** Creates a completed Checkpoint that the controller holds, and deletes it. */
  async deleted(
    name: string,
    { uid = uidOf(1), ...more }: Partial<Parameters<World["checkpoint"]>[1]> = {},
  ): Promise<Process> {
    this.checkpoint(name, { uid, ...more });
    const process = this.process();
    await process.reconcile(name);
    await this.delete(name);
    return process;
  }

  edit(name: string, change: (object: Stored) => void, namespace = "team-a"): void {
    this.api.edit(`${GROUP}/namespaces/${namespace}/checkpoints/${name}`, change);
  }

  async delete(name: string, namespace = "team-a"): Promise<void> {
    await this.api.send("DELETE", `${GROUP}/namespaces/${namespace}/checkpoints/${name}`);
  }

  get(name: string): (Stored & { readonly status?: CheckpointStatus }) | undefined {
    return this.api.get(`${CHECKPOINTS}/${name}`);
  }

  blocked(name: string) {
    return this.get(name)?.status?.conditions?.find(({ type }) => type === "DeletionBlocked");
  }
}

/** Returns the values of a counter that are not 0, by their labels. */
export async function counted(metrics: Metrics, name: string): Promise<Record<string, number>> {
  const { values = [] } = (await metrics.registry.getSingleMetric(name)?.get()) ?? {};
  const found = values.filter(({ value }) => value !== 0);
  return Object.fromEntries(found.map(({ labels, value }) => [Object.values(labels).join(" "), value]));
}
