import { setTimeout as pause } from "node:timers/promises";
import { checkpointMetadata, FakeNodeService } from "../../support/node-service";

/** Parts of the checkpoints: two containers, a volume and shared memory. */
const PARTS = [
  "containers/app/images",
  "containers/app/rootfs",
  "containers/log/images",
  "containers/log/rootfs",
  "volumes/data",
  "shm",
];

/**
 * The host service of a node and the OCI runtime of its pods, on a unix socket. A checkpoint takes a second, completes even if
 * the client disconnects, and a request with the same UID joins it. A pod is restored as soon as it has a plan.
 */
export class FakeHostService {
  /** Maximum number of concurrent checkpoints of one pod. */
  maxConcurrent = 0;
  private readonly service = new FakeNodeService();
  private readonly inFlight = new Map<string, { readonly podUID: string; readonly done: Promise<void> }>();

  constructor() {
    const { handlers, checkpoints, plans, staged } = this.service;
    handlers.set("checkpoint", (params) => this.checkpoint(params));
    handlers.set("forget", async ({ uid }) => {
      await this.inFlight.get(String(uid))?.done;
      checkpoints.delete(String(uid));
    });
    handlers.set("lay", async ({ podUID, checkpoint }) => {
      plans.set(String(podUID), String(checkpoint));
      staged.delete(String(podUID));
    });
    handlers.set("outcome", async ({ podUID }) => {
      const checkpoint = plans.get(String(podUID));
      if (checkpoint === undefined) return { decision: "", containers: [] };
      const containers = ["app", "log"].map((name) => ({ name, phase: "Restored", attempts: 1 }));
      return { checkpoint, decision: "restore", decidedAt: new Date().toISOString(), containers };
    });
    handlers.set("forgetPlan", async ({ podUID }) => {
      plans.delete(String(podUID));
      staged.delete(String(podUID));
    });
    handlers.set("state", async () => this.state());
  }

  /** Path of the socket. */
  get socket(): string {
    return this.service.socket;
  }

  async start(): Promise<this> {
    await this.service.start();
    return this;
  }

  stop(): Promise<void> {
    return this.service.stop();
  }

  /** Returns what is on the node: checkpoints, plans and stagings. */
  state() {
    const { checkpoints, plans, staged } = this.service;
    return {
      checkpoints: [...checkpoints.keys()].map((uid) => ({ uid, podUID: "", bytes: 1000 })),
      inFlight: [...this.inFlight.keys()],
      plans: [...plans].map(([podUID, checkpoint]) => ({ podUID, checkpoint })),
      stagings: [...staged.keys()].map((podUID) => ({ podUID, checkpoint: "" })),
      freeBytes: 1e12,
    };
  }

  private async checkpoint(params: Record<string, unknown>): Promise<object> {
    const uid = String(params["uid"]);
    const podUID = String(params["podUID"]);
    const metadata = { ...checkpointMetadata(uid), pod: { ...checkpointMetadata().pod, uid: podUID } };
    const { checkpoints } = this.service;
    if (!checkpoints.has(uid)) {
      if (!this.inFlight.has(uid)) {
        const done = pause(1000).then(() => {
          const content = (part: string) => Buffer.alloc(200_000, `${part} of ${uid}`);
          this.service.add(metadata, Object.fromEntries(PARTS.map((part) => [part, content(part)])));
          this.inFlight.delete(uid);
        });
        this.inFlight.set(uid, { podUID, done });
        const ofPod = [...this.inFlight.values()].filter((one) => one.podUID === podUID).length;
        this.maxConcurrent = Math.max(this.maxConcurrent, ofPod);
      }
      await this.inFlight.get(uid)?.done;
    }
    return { checkpoint: metadata, directory: `/checkpoints/${uid}`, timings: {} };
  }
}
