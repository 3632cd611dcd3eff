/** A cluster in memory in which Checkpoints are verified: admission, a node that restores, and a controller that can end. */
import { policyControllers } from "../../../../controller/policies";
import { Verification } from "../../../../controller/verify";
import { Metrics, type EventInput, type Transport } from "../../../../kube";
import { FakeApi, type FakeRequest, type Stored } from "../../../../testbed/fake-api";
import { lead, runtimeOn } from "../../../support/controller-runtime";
import { checkpointJson, saved } from "../restore/support";
import { storedPod } from "./support";

const GROUP = "/apis/automation.cedana.ai/v1alpha1";
const IN_A = `${GROUP}/namespaces/team-a`;
const PODS = "/api/v1/namespaces/team-a/pods";
export const START = Date.parse("2026-11-28T00:00:00Z");
const ISOLATION = {
  podSelector: { matchExpressions: [{ key: "cedana.ai/verification", operator: "Exists" }] },
  policyTypes: ["Ingress", "Egress"],
};

export const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);

/** What the node reports about each restore. */
export interface NodeResult {
  readonly type: "Ready" | "Failed";
  readonly cause?: string;
  readonly message?: string;
}

export interface SandboxPodJson extends Stored {
  readonly spec: Record<string, unknown> & { readonly nodeName?: string };
}

export class VerifyWorld {
  readonly api = new FakeApi();
  readonly events: EventInput[] = [];
  /** Sandbox pods that were created. */
  readonly created: SandboxPodJson[] = [];
  node: NodeResult = { type: "Ready" };
  /** Why admission rejects sandbox pods. */
  rejects?: Error;
  private readonly checkpointUID: string;
  private readonly stops: AbortController[] = [];
  private readonly done: Promise<void>[] = [];

  constructor(private readonly settings: object = {}) {
    this.put("/api/v1/namespaces", { metadata: { name: "team-a" } });
    this.put("/apis/networking.k8s.io/v1/namespaces/team-a/networkpolicies", {
      metadata: { name: "sandboxes", namespace: "team-a" },
      spec: ISOLATION,
    });
    const checkpoint = checkpointJson({ containers: [saved("app")] });
    this.checkpointUID = this.put(`${IN_A}/checkpoints`, checkpoint).metadata.uid;
    const pod = storedPod() as unknown as Stored;
    const running = { name: "app", state: { running: { startedAt: "2026-11-27T23:00:00Z" } } };
    this.put(PODS, {
      ...pod,
      metadata: { ...pod.metadata, creationTimestamp: "2026-11-27T23:00:00Z" },
      status: { phase: "Running", containerStatuses: [running] },
    });
  }

  put(path: string, object: object): Stored {
    return this.api.put(path, object as Parameters<FakeApi["put"]>[1]);
  }

  /** Creates a policy that verifies web-0, and requests it. */
  request(verify: object = {}, name = "prove"): void {
    this.put(`${IN_A}/checkpointpolicies`, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "CheckpointPolicy",
      metadata: { name, namespace: "team-a", generation: 1, creationTimestamp: "2026-11-27T23:00:00Z" },
      spec: {
        trigger: { manual: {} },
        action: { verify: { runSeconds: 30, timeoutSeconds: 600, ...verify } },
        minSpacingSeconds: 60,
        deadlineSeconds: 600,
        maxInFlight: 10,
      },
    });
    this.api.edit(`${PODS}/web-0`, ({ metadata }) =>
      Object.assign(metadata, {
        annotations: {
          ...metadata.annotations,
          "cedana.ai/checkpoint-requested-at": new Date().toISOString(),
        },
      }),
    );
  }

  /** Starts a controller that leads. @returns the function that ends it */
  start(hook?: (request: FakeRequest, moment: "before" | "after") => void): () => void {
    const stop = new AbortController();
    this.stops.push(stop);
    const transport: Transport = {
      send: async (method, path, body, more) => {
        // A process that has ended sends nothing.
        if (stop.signal.aborted) throw new Error("ended");
        const request = { method, path, query: {}, ...(body && { body }) } as FakeRequest;
        if (method !== "GET") hook?.(request, "before");
        if (stop.signal.aborted) throw new Error("ended");
        const response = await this.serve(request, (given) => this.api.send(method, path, given, more));
        if (method !== "GET") hook?.(request, "after");
        return response;
      },
      watch: (path, more) => this.api.watch(path, more),
    };
    const runtime = runtimeOn(transport, { events: this.events, metrics: new Metrics() });
    const settings = { maxInFlight: 2, nodeSelector: {}, networkPolicy: "sandboxes", ...this.settings };
    const verification = new Verification({
      ...runtime,
      settings,
      namespaces: "all",
      method: {
        namespace: "agents",
        repository: "registry.example.com/checkpoints",
        runtimeClasses: { amd64: "cedana" },
        restart: "fresh",
        lazy: false,
        timeoutSeconds: 600,
        repositoryPerNamespace: false,
      },
    });
    const policies = policyControllers({
      ...runtime,
      settings: {
        maxInFlight: 50,
        verify: settings,
        memory: { namespace: "agents", readings: "metrics-server" },
      },
      checkpoints: { namespaces: "all", maxPerNode: 10 },
      verification,
    });
    this.done.push(lead(runtime, [...policies, verification.controller], stop.signal).catch(() => {}));
    return () => stop.abort();
  }

  async end(): Promise<void> {
    for (const stop of this.stops) stop.abort();
    await seconds(0);
  }

  /** What admission and the kubelet add to a sandbox pod. */
  private async serve(
    { method, path, body }: FakeRequest,
    send: (body: FakeRequest["body"]) => Promise<unknown>,
  ): Promise<unknown> {
    if (method !== "POST" || path !== PODS || !body) return send(body);
    if (this.rejects) throw this.rejects;
    const given = body.content as Stored;
    const metadata = {
      ...given.metadata,
      labels: { ...given.metadata.labels, "cedana.ai/restored-from": this.checkpointUID },
      annotations: {
        ...given.metadata.annotations,
        "cedana.ai/restore-plan": this.checkpointUID,
        "cedana.ai/restore-checkpoint": "before",
        "cedana.ai/restore-containers": "app",
      },
    };
    const response = (await send({ ...body, content: { ...given, metadata } })) as SandboxPodJson;
    const { name, uid } = response.metadata;
    this.created.push(response);
    this.api.edit(`${PODS}/${name}`, (pod) => {
      Object.assign(pod["spec"] as object, { nodeName: "n1" });
      const state =
        this.node.type === "Ready" ? { running: {} } : { waiting: { reason: "RunContainerError" } };
      pod["status"] = { phase: "Running", containerStatuses: [{ name: "app", state }] };
    });
    const { type, cause, message = "" } = this.node;
    this.put(`${GROUP}/namespaces/agents/noderestores`, {
      metadata: { name: uid, namespace: "agents", generation: 1 },
      spec: { nodeName: "n1", podRef: { namespace: "team-a", name, uid }, restart: "fresh" },
      status: {
        ...(cause === undefined ? {} : { cause }),
        conditions: [
          { type, status: "True", reason: type === "Ready" ? "Restored" : "RestoreFailed", message },
        ],
      },
    });
    return response;
  }

  get sandboxes(): string[] {
    return this.created.flatMap(({ metadata: { name } }) => (this.api.get(`${PODS}/${name}`) ? [name] : []));
  }

  get checkpoint(): { readonly restore?: object; readonly lastVerified?: Record<string, string> } {
    return this.api.get(`${IN_A}/checkpoints/before`)?.["status"] as object;
  }

  policyStatus(
    name = "prove",
  ): Record<string, unknown> & { lastFailures?: { reason: string; message: string }[] } {
    return (this.api.get(`${IN_A}/checkpointpolicies/${name}`)?.["status"] ?? {}) as Record<string, unknown>;
  }
}
