/** The restore controllers of one process, as leader, on an API server in memory. */
import { NODE_RESTORE_CONDITION, conditionsOf, type NodeRestoreReason } from "../../../../api";
import type { CheckpointSettings } from "../../../../config/programs/controller";
import { createEngines } from "../../../../controller/engines";
import { Claims, createRestore } from "../../../../controller/restore";
import { Metrics, type EventInput } from "../../../../kube";
import { clientOn, lead, runtimeOn } from "../../../support/controller-runtime";
import { FakeApi, type Stored } from "../../../../testbed/fake-api";
import { checkpointJson } from "./support";

export const CHECKPOINTS = "/apis/automation.cedana.ai/v1alpha1/namespaces/team-a/checkpoints";
export const PODS = "/api/v1/namespaces/team-a/pods";
export const REQUESTS = "/apis/automation.cedana.ai/v1alpha1/namespaces/cedana-agents/noderestores";

export type Status = Record<string, unknown>;
export const running = { state: { running: {} }, restartCount: 0 };
export const waiting = (reason: string, more: Status = {}) => ({
  state: { waiting: { reason } },
  restartCount: 0,
  ...more,
});
export const ended = (exitCode: number) => ({
  terminated: { reason: exitCode === 0 ? "Completed" : "Error", exitCode },
});

export const CRIU: Extract<CheckpointSettings, { readonly engine: "criu" }> = {
  namespaces: ["team-a"],
  maxPerNode: 1,
  waitSeconds: 3600,
  locations: [],
  engine: "criu",
  agent: {
    namespace: "cedana-agents",
    repository: "registry.example.com/checkpoints",
    timeoutSeconds: 300,
    responseSeconds: 60,
  },
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
  readonly metrics = new Metrics();
  /** Lines of the log, parsed. */
  readonly lines: object[] = [];
  private readonly stop = new AbortController();

  constructor(private readonly engine: CheckpointSettings = CRIU) {
    this.api.put(CHECKPOINTS, checkpointJson({ status: { engine: engine.engine } }));
  }

  async lead(namespaces: string[] = ["team-a"]): Promise<void> {
    const runtime = runtimeOn(this.api, this);
    const { controllers } = createRestore({
      ...runtime,
      settings: {
        namespaces,
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
  claim(id = "c-1", podName?: string, more: object = {}): void {
    this.edit((status) => {
      status["restore"] = {
        state: "Claimed",
        claim: id,
        ...(podName ? { podName } : {}),
        time: "2026-01-01T00:00:00Z",
        ...more,
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

  /** Stores a pod as admission and scheduler leave it. */
  pod(
    given: {
      name?: string;
      namespace?: string;
      claim?: string;
      annotations?: Record<string, string>;
      labels?: Record<string, string>;
      status?: Status;
      phase?: string;
      /** Default: n1. Empty: none yet. */
      nodeName?: string;
    } = {},
  ): Stored {
    const { uid } = this.api.get(`${CHECKPOINTS}/before`)?.metadata ?? { uid: "" };
    const { name = "web-0", claim = "c-1", annotations = {}, nodeName = "n1" } = given;
    const { namespace = "team-a" } = given;
    return this.api.put(PODS.replace("team-a", namespace), {
      metadata: {
        name,
        namespace,
        creationTimestamp: new Date(Date.now()).toISOString(),
        labels: { "cedana.ai/restored-from": uid, ...given.labels },
        annotations: {
          "cedana.ai/restore-from": "latest",
          "cedana.ai/restore-checkpoint": "before",
          "cedana.ai/restore-claim": claim,
          "cedana.ai/restore-plan": uid,
          "cedana.ai/restore-containers": "app",
          ...annotations,
        },
      },
      spec: {
        containers: [
          { name: "log", image: "log:1" },
          { name: "app", image: "app:1" },
        ],
        ...(nodeName === "" ? {} : { nodeName }),
      },
      status: this.status(given.status, given.phase),
    } as never);
  }

  setStatus(status: Status, phase?: string): void {
    this.api.edit(`${PODS}/web-0`, (pod) => {
      (pod as unknown as { status: object }).status = this.status(status, phase);
    });
  }

  /** Returns the NodeRestore of a pod. */
  request(podUID: string): Stored | undefined {
    return this.api.get(`${REQUESTS}/${podUID}`);
  }

  /** Writes the status of the pod's NodeRestore as the agent does. */
  report(podUID: string, reason: NodeRestoreReason, message = "why", cause?: string): void {
    const now = new Date(Date.now()).toISOString();
    const holds = NODE_RESTORE_CONDITION[reason];
    const conditions = conditionsOf({ holds, reason, message, observedGeneration: 1, before: [], now });
    const completed = holds === "Ready" || holds === "Failed" ? { completionTime: now } : {};
    this.api.edit(`${REQUESTS}/${podUID}`, (object) => {
      (object as Status)["status"] = { conditions, ...completed, ...(cause && { cause }) };
    });
  }

  annotations(name = "web-0"): Record<string, string> {
    return this.api.get(`${PODS}/${name}`)?.metadata.annotations as Record<string, string>;
  }

  /** Returns whether the pod waits for a plan. */
  isPlanned(name = "web-0"): boolean {
    return Object.hasOwn(this.annotations(name), "cedana.ai/restore-plan");
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
