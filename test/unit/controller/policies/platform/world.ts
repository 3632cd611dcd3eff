/** A cluster and a platform in memory, and controllers that mirror policies and can end at any step. For fake timers. */
import {
  PlatformError,
  type HeartbeatPolicy,
  type PlatformOperation,
  type PlatformPolicy,
} from "../../../../../clients/cedana/platform";
import { idIn, policiesIn, requestOf } from "../../../../../clients/cedana/platform/policies";
import { errorMessageIn } from "../../../../../clients/cedana/response";
import { policyControllers } from "../../../../../controller/policies";
import type { PlatformPolicies } from "../../../../../controller/policies/platform";
import { Metrics, type EventInput } from "../../../../../kube";
import { FakeApi, type Stored } from "../../../../../testbed/fake-api";
import { lead, runtimeOn } from "../../../../support/controller-runtime";
import { Killable } from "../../../../support/killable";
import { Platform, policyId } from "../../../../support/platform-server";
import { IN_A, MEMORY } from "../cluster";

export const CLUSTER_ID = "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10";
export const RECORD_PATH = "/api/v1/namespaces/cedana-system/configmaps/cedana-platform-policies";
const POLICIES = `${IN_A}/checkpointpolicies`;

const SETTINGS = {
  url: "http://localhost:1",
  clusterId: CLUSTER_ID,
  root: "/run/containerd/runc/k8s.io",
  tokenFile: "/nowhere",
  namespace: "cedana-system",
  record: "cedana-platform-policies",
  heartbeatUnit: "minutes" as "minutes" | "seconds",
  drift: "report" as "report" | "correct",
  compareSeconds: 60,
};

export const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
export const minutes = (count: number) => seconds(60 * count);

/** What happens to a request. `execute` does what the platform does, and returns its response. */
export type Fault = (execute: () => string) => string | Promise<string>;

export const refused =
  (status: number, retryAfterMs?: number): Fault =>
  () => {
    throw new PlatformError(
      "list",
      `HTTP ${status}: no`,
      status < 500 ? "refused" : "failed",
      status,
      retryAfterMs,
    );
  };
export const notSent: Fault = () => {
  throw new PlatformError("list", "connect ECONNREFUSED", "refused");
};
/** It is executed, and its response is lost. */
export const lost: Fault = (execute) => {
  execute();
  throw new PlatformError("list", "no response within 30 s", "unknown");
};
/** It is not executed, and there is no response. */
export const dropped: Fault = () => {
  throw new PlatformError("list", "no response within 30 s", "unknown");
};

/** A process of the controller. */
class Process extends Killable implements PlatformPolicies {
  constructor(
    private readonly world: MirrorWorld,
    dieAt?: number,
  ) {
    super(dieAt);
  }

  get transport() {
    return this.transportOf(this.world.api);
  }

  list(): Promise<readonly PlatformPolicy[]> {
    // A list changes nothing: a process that dies before it equals one that dies after the last step.
    return this.step(async () => policiesIn(await this.world.answer("list", "GET", undefined)), false);
  }

  create(policy: HeartbeatPolicy): Promise<string> {
    return this.step(async () => idIn(await this.world.answer("create", "POST", requestOf(policy))));
  }

  update(id: string, policy: HeartbeatPolicy): Promise<string> {
    return this.step(async () => idIn(await this.world.answer("update", "POST", requestOf(policy, id))));
  }

  async delete(id: string): Promise<void> {
    await this.step(async () => this.world.answer("delete", "DELETE", { id }));
  }
}

export class MirrorWorld {
  readonly api = new FakeApi();
  readonly platform = new Platform();
  readonly events: EventInput[] = [];
  /** Lines of the logs. */
  readonly lines: object[] = [];
  metrics = new Metrics();
  /** Faults of the next requests of an operation, each used once. */
  readonly faults: Partial<Record<PlatformOperation, Fault[]>> = {};
  /** Fault of all requests. */
  outage?: Fault;
  /** Requests, with the time in seconds since the start. */
  readonly requests: (readonly [operation: PlatformOperation, atSeconds: number])[] = [];
  /** Checkpoints that were created while the platform had a copy of their policy. */
  readonly doubles: string[] = [];
  /** Most copies at a time of a namespace with one policy. */
  most = 0;
  private readonly startMs = Date.now();
  private readonly stops: AbortController[] = [];

  constructor(private readonly settings: Partial<typeof SETTINGS> = {}) {
    for (const name of ["team-a", "cedana-system"])
      this.api.put("/api/v1/namespaces", { metadata: { name } });
    this.api.before = ({ method, path }) => {
      if (method === "POST" && path === `${IN_A}/checkpoints` && this.copies.length > 0)
        this.doubles.push(path);
    };
    // Apply removes what its manager does not apply any more. The API in memory merges.
    this.api.after = ({ method, path, body }) => {
      const { status } = (body?.content ?? {}) as { status?: { platform?: unknown } };
      if (method !== "PATCH" || !path.startsWith(POLICIES) || !status || status.platform) return;
      this.api.edit(path.replace("/status", ""), (object) => {
        delete (object["status"] as Record<string, unknown>)["platform"];
      });
    };
  }

  /** Starts a controller that leads, and dies at a step. @returns the process */
  start(dieAt?: number, given: { readonly mirror?: boolean } = {}): Process {
    const stop = new AbortController();
    this.stops.push(stop);
    const process = new Process(this, dieAt);
    this.metrics = new Metrics();
    const runtime = runtimeOn(process.transport, {
      events: this.events,
      metrics: this.metrics,
      lines: this.lines,
    });
    const platform = given.mirror === false ? {} : { platform: { ...SETTINGS, ...this.settings } };
    const controllers = policyControllers({
      ...runtime,
      settings: { maxInFlight: 50, memory: MEMORY, ...platform },
      checkpoints: { namespaces: "all", maxPerNode: 10 },
      platform: process,
    });
    void lead(runtime, controllers, stop.signal);
    return process;
  }

  /** Ends all processes. */
  stop(): void {
    for (const stop of this.stops.splice(0)) stop.abort();
  }

  policy(spec: object = {}, name = "nightly"): Stored {
    return this.api.put(POLICIES, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "CheckpointPolicy",
      metadata: { name, namespace: "team-a", generation: 1 },
      spec: {
        suspend: false,
        executor: "Platform",
        trigger: { heartbeat: { intervalSeconds: 900 } },
        action: { checkpoint: { leaveRunning: true } },
        minSpacingSeconds: 60,
        deadlineSeconds: 600,
        maxInFlight: 10,
        ...spec,
      },
    } as never);
  }

  /** Changes the spec of a policy. */
  change(change: object, name = "nightly"): void {
    this.api.edit(`${POLICIES}/${name}`, (object) => {
      object["spec"] = { ...(object["spec"] as object), ...change };
      const { metadata } = object as unknown as { metadata: { generation?: number } };
      metadata.generation = (metadata.generation ?? 1) + 1;
    });
  }

  async remove(name = "nightly"): Promise<void> {
    await this.api.send("DELETE", `${POLICIES}/${name}`);
  }

  pod(): void {
    this.api.put("/api/v1/namespaces/team-a/pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "web-0", namespace: "team-a" },
      spec: { nodeName: "n1", containers: [{ name: "main", image: "app" }] },
      status: { phase: "Running" },
    } as never);
  }

  status(name = "nightly") {
    const status = (this.api.get(`${POLICIES}/${name}`)?.["status"] ?? {}) as {
      platform?: { id: string; state?: string; pods?: number };
      matchedPods?: number;
      conditions?: { type: string; status: string; reason: string; message: string }[];
    };
    const holds = status.conditions?.find(
      (one) => one.status === "True" && one.type !== "Stalled" && one.type !== "Reconciling",
    );
    return { ...status, type: holds?.type, reason: holds?.reason, message: holds?.message };
  }

  /** Copies that this install has created. */
  get copies() {
    return [...this.platform.policies.values()].filter(({ id }) => id < policyId(0xf_0000));
  }

  /** Returns the numbers of copies by state, as in the metrics, without zeros. */
  async gauge(): Promise<Record<string, number>> {
    const text = await this.metrics.registry.metrics();
    return Object.fromEntries(
      [...text.matchAll(/^cedana_platform_policies\{state="(\w+)"\} (\d+)$/gm)]
        .map(([, state = "", count]) => [state, Number(count)] as const)
        .filter(([, count]) => count > 0),
    );
  }

  get record(): Record<string, unknown> {
    const { data } = (this.api.get(RECORD_PATH) ?? {}) as { data?: Record<string, string> };
    return (JSON.parse(data?.["policies.json"] ?? '{"policies":{}}') as { policies: Record<string, unknown> })
      .policies;
  }

  async checkpoints(): Promise<number> {
    const { items } = (await this.api.send("GET", `${IN_A}/checkpoints`)) as { items: unknown[] };
    return items.length;
  }

  async answer(operation: PlatformOperation, method: string, body: unknown): Promise<string> {
    this.requests.push([operation, Math.round((Date.now() - this.startMs) / 1000)]);
    const execute = () => {
      const { status, body: text } = this.platform.handle(method, `/v2/policy/${operation}`, body);
      this.most = Math.max(this.most, this.copies.length);
      if (status < 300) return text;
      const outcome = status < 500 ? "refused" : "failed";
      throw new PlatformError(operation, `HTTP ${status}: ${errorMessageIn(text)}`, outcome, status);
    };
    const fault = this.faults[operation]?.shift() ?? this.outage;
    return fault ? fault(execute) : execute();
  }
}
