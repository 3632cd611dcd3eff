/** The restore controllers of one process, as leader, on an API server in memory. */
import type { CheckpointSettings } from "../../../../config/programs/controller";
import { createEngines } from "../../../../controller/engines";
import { Claims, createRestore } from "../../../../controller/restore";
import type { EventInput } from "../../../../kube";
import { clientOn, lead, runtimeOn } from "../../../support/controller-runtime";
import { FakeApi, type Stored } from "../../../../testbed/fake-api";
import { checkpointJson, digest } from "./support";

const CHECKPOINTS = "/apis/automation.cedana.ai/v1alpha1/namespaces/team-a/checkpoints";
export const PODS = "/api/v1/namespaces/team-a/pods";

export type Status = Record<string, unknown>;
export const running = { state: { running: {} }, restartCount: 0 };
export const waiting = (reason: string, message = "", more: Status = {}) => ({
  state: { waiting: { reason, message } },
  restartCount: 0,
  ...more,
});
export const startError = { terminated: { reason: "StartError", message: "criu failed", exitCode: 128 } };
export const ended = (exitCode: number) => ({
  terminated: { reason: exitCode === 0 ? "Completed" : "Error", exitCode },
});

const CHECKPOINTING = { namespaces: ["team-a"], maxPerNode: 1, locations: [] };
const AGENT = {
  namespace: "cedana-agents",
  repository: "registry.example.com/checkpoints",
  timeoutSeconds: 300,
  responseSeconds: 60,
};
/** Settings of an engine that restores by image, and of one that restores by a plan. */
export const KUBELET: CheckpointSettings = { ...CHECKPOINTING, engine: "kubelet", agent: AGENT };
export const CRIU: Extract<CheckpointSettings, { readonly engine: "criu" }> = {
  ...CHECKPOINTING,
  engine: "criu",
  agent: AGENT,
  tcp: "close",
  preDump: "auto",
  freezeSeconds: 60,
  runtimeClasses: { amd64: "cedana-criu" },
  restore: { restart: "fresh", lazy: false, timeoutSeconds: 300 },
};

/** The controllers of one process, as leader. */
export class Harness {
  readonly api = new FakeApi();
  readonly events: EventInput[] = [];
  private readonly stop = new AbortController();

  constructor(private readonly engine: CheckpointSettings = KUBELET) {
    this.api.put(CHECKPOINTS, checkpointJson({ status: { engine: engine.engine } }));
  }

  async lead(): Promise<void> {
    const runtime = runtimeOn(this.api, this);
    const { controllers } = createRestore({
      ...runtime,
      settings: {
        namespaces: ["team-a"],
        nodeSelector: {},
        port: 0,
        configuration: "w",
        secret: "s",
        dnsNames: ["a.svc"],
        certificates: "cert-manager",
      },
      engines: createEngines(this.engine, runtime),
      namespace: "cedana-system",
      claims: new Claims(clientOn(this.api)),
    });
    void lead(runtime, controllers, this.stop.signal);
    await seconds(0.1);
  }

  async end(): Promise<void> {
    this.stop.abort();
    await seconds(0.1);
  }

  /** Claims the Checkpoint as the webhook does. */
  claim(id = "c-1", podName?: string): void {
    this.edit((status) => {
      status["restore"] = {
        state: "Claimed",
        claim: id,
        ...(podName ? { podName } : {}),
        time: "2026-01-01T00:00:00Z",
      };
    });
  }

  edit(change: (status: Status) => void): void {
    this.api.edit(`${CHECKPOINTS}/before`, (object) => change(object["status"] as Status));
  }

  get restore(): Status | undefined {
    const { status } = this.api.get(`${CHECKPOINTS}/before`) as unknown as { status: { restore?: Status } };
    return status.restore;
  }

  pod(
    given: {
      name?: string;
      claim?: string;
      annotations?: Record<string, string>;
      status?: Status;
      phase?: string;
      spec?: object;
    } = {},
  ): Stored {
    const { uid } = this.api.get(`${CHECKPOINTS}/before`)?.metadata ?? { uid: "" };
    const { name = "web-0", claim = "c-1", annotations = {} } = given;
    return this.api.put(PODS, {
      metadata: {
        name,
        namespace: "team-a",
        creationTimestamp: new Date(Date.now()).toISOString(),
        labels: { "cedana.ai/restored-from": uid },
        annotations: {
          "cedana.ai/restore-from": "latest",
          "cedana.ai/restore-checkpoint": "before",
          "cedana.ai/restore-claim": claim,
          "cedana.ai/restore-original-images": '{"app":"app:1"}',
          ...annotations,
        },
      },
      spec: {
        containers: [
          { name: "log", image: "log:1" },
          { name: "app", image: digest("app") },
        ],
        ...given.spec,
      },
      status: this.status(given.status, given.phase),
    } as never);
  }

  setStatus(status: Status, phase?: string): void {
    this.api.edit(`${PODS}/web-0`, (pod) => {
      (pod as unknown as { status: object }).status = this.status(status, phase);
    });
  }

  imageOf(name = "web-0"): string {
    const { spec } = this.api.get(`${PODS}/${name}`) as unknown as {
      spec: { containers: { image: string }[] };
    };
    return spec.containers.map(({ image }) => (image === digest("app") ? "checkpoint" : image)).join();
  }

  reports(kind = "Pod"): string[] {
    return this.events
      .filter(({ regarding }) => regarding.kind === kind)
      .map(({ type, reason, note }) => `${type} ${reason}: ${note}`);
  }

  private status(container?: Status, phase = "Pending"): object {
    return { phase, ...(container ? { containerStatuses: [{ name: "app", ...container }] } : {}) };
  }
}

export const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
