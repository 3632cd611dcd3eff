import { ArtifactError } from "../../../../../agent/artifact";
import type { Artifacts } from "../../../../../agent/engines/criu/context";
import {
  NodeServiceError,
  type CheckpointMetadata,
  type CheckpointRequest,
  type CheckpointResult,
  type ContainerOutcome,
  type DeclineRequest,
  type LayRequest,
  type LoseRequest,
  type NodeService,
  type Outcome,
  type ReplanRequest,
  type ServiceState,
} from "../../../../../clients/node-service";
import { RegistryError } from "../../../../../clients/registry";
import { checkpointMetadata } from "../../../../support/node-service";

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** How the service handles a request of a checkpoint. */
export type ServiceResponse =
  | "taken"
  /** The checkpoint is taken, and the response is lost. */
  | "lost"
  | "unavailable"
  | "interrupted"
  | { readonly reason: string; readonly remedy?: string };

interface PodState {
  plan?: {
    readonly checkpoint: string;
    readonly fallback: string;
    readonly restart?: string;
    readonly deadlineMs: number;
  };
  /** Layers of memory that are still to come. */
  arriving?: number;
  decision: Outcome["decision"];
  reason?: string;
  message?: string;
  containers: ContainerOutcome[];
}

const error = (reason: string, message = `it is ${reason}`, remedy?: string) =>
  new NodeServiceError(message, { reason, ...(remedy === undefined ? {} : { remedy }) });

/** The service of the node, the runtime wrapper and the registry, in memory. They outlive the agent's processes. */
export class NodeModel {
  readonly checkpoints = new Map<string, { readonly podUID: string; readonly bytes: number }>();
  readonly requests: CheckpointRequest[] = [];
  /** For the next requests; later ones are taken. */
  responses: ServiceResponse[] = [];
  /** By `registry/repository@digest`: the UID of the Checkpoint. */
  readonly images = new Map<string, string>();
  readonly pushed: string[] = [];
  readonly stagings = new Map<string, string>();
  readonly pods = new Map<string, PodState>();
  readonly laid: LayRequest[] = [];
  readonly declined: DeclineRequest[] = [];
  readonly lost: LoseRequest[] = [];
  /** Layers of memory of each checkpoint that come after a lazy plan. */
  layers = 3;
  /** Layers of memory that were loaded, of all pods. */
  loaded = 0;
  /** Whether the next layer of memory differs from its digest. */
  damaged = false;
  /** Requests to replace a plan. */
  readonly replans: ReplanRequest[] = [];
  registryDown = false;
  /** What the registry responds to each push. */
  rejects?: { readonly status: number; readonly code?: string; readonly retryAfterMs?: number };
  pushes = 0;
  serviceDown = false;
  /** Methods that the service does not know. */
  readonly unknown = new Set<string>();
  /** Pods whose restore is in progress. */
  readonly locked = new Set<string>();
  dumpMs = 3;
  pullMs = 2;
  bytes = 1000;
  freeBytes = 1e9;
  pulls = 0;
  mostPulls = 0;
  readonly violations: string[] = [];
  /** Returns whether the NodeCheckpoint of a checkpoint exists. */
  isWanted: (uid: string) => boolean = () => false;
  /** Checkpoints whose processes ended, until they are pushed. */
  private readonly onlyCopies = new Set<string>();
  private readonly flights = new Map<string, { readonly podUID: string; readonly done: Promise<unknown> }>();

  /** Waits for the checkpoints that are still being taken. */
  async settled(): Promise<void> {
    await Promise.all([...this.flights.values()].map(({ done }) => done.catch(() => undefined)));
  }

  get inFlight(): number {
    return this.flights.size;
  }

  readonly service: Pick<
    NodeService,
    "checkpoint" | "forget" | "lay" | "decline" | "replan" | "outcome" | "forgetPlan" | "loseMemory" | "state"
  > = {
    checkpoint: async (request, signal) => untilAborted(this.checkpoint(request), signal),
    forget: async (uid) => {
      await this.reach();
      if (this.flights.has(uid)) throw error("CheckpointInFlight");
      if (this.onlyCopies.has(uid) && this.checkpoints.has(uid) && this.isWanted(uid))
        this.violations.push(`the only copy of ${uid} was deleted`);
      this.checkpoints.delete(uid);
    },
    lay: async (request) => {
      await this.reach();
      if (this.isPlanned(request.podUID, request.checkpoint)) return;
      if (this.stagings.get(request.podUID) !== request.checkpoint) throw error("CheckpointNotStaged");
      this.stagings.delete(request.podUID);
      this.laid.push(request);
      const { checkpoint, fallback, restart } = request;
      const plan = { checkpoint, fallback, restart, deadlineMs: request.deadline.getTime() };
      const arriving = request.lazy ? this.layers : 0;
      this.pods.set(request.podUID, { plan, arriving, decision: "", containers: pending() });
    },
    decline: async (request) => {
      await this.reach();
      const { podUID, reason, message, fallback } = request;
      if (this.pods.get(podUID)?.plan) throw error("PodStarted");
      this.stagings.delete(podUID);
      this.declined.push(request);
      const decision = fallback === "fail" ? ("fail" as const) : ("fresh" as const);
      if (!this.pods.has(podUID)) this.pods.set(podUID, { decision, reason, message, containers: [] });
    },
    replan: async (request) => {
      await this.reach();
      this.replans.push(request);
      if (this.unknown.has("replan")) throw error("UnknownMethod");
      const { podUID, checkpoint } = request;
      const pod = this.pods.get(podUID);
      if (pod?.plan === undefined) return { replaced: false, reason: "NotPlanned" };
      if (pod.plan.restart !== "again") return { replaced: false, reason: "RestartsFresh" };
      if (this.locked.has(podUID)) throw error("InUse");
      if (pod.plan.checkpoint === checkpoint) return { replaced: true };
      if (!this.checkpoints.delete(checkpoint)) return { replaced: false, reason: "CheckpointNotFound" };
      pod.plan = { ...pod.plan, checkpoint };
      return { replaced: true };
    },
    outcome: async (podUID) => {
      await this.reach();
      const {
        plan,
        arriving = 0,
        decision,
        reason,
        message,
        containers,
      } = this.pods.get(podUID) ?? { decision: "" as const, containers: [] };
      return {
        ...(plan && { checkpoint: plan.checkpoint }),
        decision,
        containers: plan ? containers.map((each) => (arriving > 0 ? { ...each, arriving: true } : each)) : [],
        ...(reason === undefined ? {} : { reason, message }),
      };
    },
    forgetPlan: async (podUID) => {
      await this.reach();
      if (this.locked.has(podUID)) throw error("InUse");
      this.pods.delete(podUID);
      this.stagings.delete(podUID);
    },
    loseMemory: async (request) => {
      await this.reach();
      this.lost.push(request);
      const pod = this.pods.get(request.podUID);
      if (pod?.arriving)
        Object.assign(pod, {
          arriving: 0,
          decision: "fresh",
          reason: "MemoryLost",
          message: `the memory did not arrive: ${request.message}`,
        });
    },
    state: async (): Promise<ServiceState> => {
      await this.reach();
      return {
        checkpoints: [...this.checkpoints].map(([uid, { podUID, bytes }]) => ({ uid, podUID, bytes })),
        inFlight: [...this.flights.keys()],
        plans: [...this.pods].map(([podUID, { plan }]) => ({
          podUID,
          ...(plan && { checkpoint: plan.checkpoint }),
        })),
        stagings: [...this.stagings].map(([podUID, checkpoint]) => ({ podUID, checkpoint })),
        freeBytes: this.freeBytes,
      };
    },
  };

  readonly artifacts: Artifacts = {
    push: async (uid, { image }) => {
      await pause(1);
      if (!this.checkpoints.has(uid)) throw error("CheckpointNotFound");
      this.pushes++;
      if (this.rejects) throw new RegistryError("upload of a blob", image, "its own words", this.rejects);
      if (this.registryDown) throw new RegistryError("upload of a blob", image, "down", { status: 503 });
      this.pushed.push(image);
      this.onlyCopies.delete(uid);
      const pushed = `${image.replace(/:[^:/]*$/, "")}@sha256:${"0".repeat(64)}`;
      this.images.set(pushed, uid);
      return { image: pushed, digest: "sha256:0", sizeBytes: 100, metadata: metadataOf(uid) };
    },
    pull: async ({ image, podUID, maxBytes }) => {
      this.mostPulls = Math.max(this.mostPulls, ++this.pulls);
      try {
        await pause(this.pullMs);
        if (this.registryDown) throw new RegistryError("download of a blob", image, "down", { status: 503 });
        const uid = this.images.get(image);
        if (uid === undefined) throw new ArtifactError(image, "is not in the registry", true);
        if (maxBytes < this.bytes) throw error("InsufficientSpace");
        if (!this.isPlanned(podUID, uid)) this.stagings.set(podUID, uid);
        return metadataOf(uid);
      } finally {
        this.pulls--;
      }
    },
    load: async ({ image, podUID }, signal) => {
      this.mostPulls = Math.max(this.mostPulls, ++this.pulls);
      try {
        for (;;) {
          await pause(this.pullMs);
          signal.throwIfAborted();
          if (this.registryDown)
            throw new RegistryError("download of a blob", image, "down", { status: 503 });
          await this.reach();
          if (this.damaged) throw error("ContentInvalid", "a layer differs from its digest");
          const pod = this.pods.get(podUID);
          if (!pod?.arriving) return;
          pod.arriving--;
          this.loaded++;
        }
      } finally {
        this.pulls--;
      }
    },
  };

  /**
   * Creates the containers of a pod: its runtime waits for a plan, then restores them or starts them fresh.
   * @param more.fails reason why the restore fails
   */
  async create(podUID: string, more: { fails?: string; waitMs?: number } = {}): Promise<void> {
    const { fails, waitMs = 600 } = more;
    for (let waited = 0; this.pods.get(podUID)?.plan === undefined; waited++) {
      if (this.pods.has(podUID)) return;
      if (waited >= waitMs) {
        const message = "no plan came within 60s";
        this.pods.set(podUID, { decision: "fresh", reason: "PlanMissing", message, containers: [] });
        return;
      }
      await pause(1);
    }
    const pod = this.pods.get(podUID)!;
    this.locked.add(podUID);
    await pause(2);
    const decline = (reason: string) => {
      const decision = pod.plan?.fallback === "fail" ? ("fail" as const) : ("fresh" as const);
      Object.assign(pod, { decision, reason, message: `it is ${reason}` });
    };
    if (Date.now() > pod.plan!.deadlineMs) decline("DeadlineExceeded");
    else if (fails !== undefined) decline(fails);
    else {
      pod.decision = "restore";
      for (const at of pod.containers.keys()) {
        await pause(2);
        pod.containers[at] = { ...pod.containers[at]!, phase: "Restored", attempts: 1, milliseconds: 90 };
      }
    }
    this.locked.delete(podUID);
  }

  private async checkpoint(request: CheckpointRequest): Promise<CheckpointResult> {
    await this.reach();
    this.requests.push(request);
    const { uid, podUID } = request;
    const response = this.checkpoints.has(uid) ? "taken" : (this.responses.shift() ?? "taken");
    if (response === "unavailable") throw error("Unavailable");
    if (typeof response === "object") throw error(response.reason, "criu failed", response.remedy);
    if (!this.checkpoints.has(uid)) {
      if (!this.flights.has(uid)) {
        if ([...this.flights.values()].some((one) => one.podUID === podUID)) {
          this.violations.push(`two checkpoints of ${podUID} at a time`);
          throw error("CheckpointInFlight");
        }
        const done = this.dump(request, response).finally(() => this.flights.delete(uid));
        this.flights.set(uid, { podUID, done });
      }
      await this.flights.get(uid)?.done;
    }
    if (response === "lost") throw error("Unavailable", "it closed the connection");
    const timings = { preDump: 0, freeze: 0, dump: 0, pack: 0, thaw: 0, checksum: 0 };
    return { checkpoint: metadataOf(uid), directory: `/checkpoints/${uid}`, timings };
  }

  private async dump(
    { uid, podUID, stop = false }: CheckpointRequest,
    response: ServiceResponse,
  ): Promise<void> {
    await pause(this.dumpMs);
    if (response === "interrupted") throw error("Interrupted");
    if (stop) this.onlyCopies.add(uid);
    this.checkpoints.set(uid, { podUID, bytes: this.bytes });
  }

  private isPlanned(podUID: string, checkpoint: string): boolean {
    const pod = this.pods.get(podUID);
    if (pod === undefined) return false;
    if (pod.plan?.checkpoint !== checkpoint) throw error("PodStarted");
    return true;
  }

  private async reach(): Promise<void> {
    await pause(1);
    if (this.serviceDown) throw error("Unavailable", "cannot connect");
  }
}

/** Rejects at the signal, as a request whose connection is closed. The work continues. */
function untilAborted<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    work.then(resolve, reject);
  });
}

function metadataOf(uid: string): CheckpointMetadata {
  return checkpointMetadata(uid);
}

function pending(): ContainerOutcome[] {
  return ["app", "log"].map((name) => ({ name, phase: "Pending", attempts: 0 }));
}
