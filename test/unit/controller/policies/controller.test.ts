import { policyControllers, type PolicyOptions } from "../../../../controller/policies";
import { ApiError, Metrics, type EventInput, type Transport } from "../../../../kube";
import { FakeApi, type Stored } from "../../../../testbed/fake-api";
import { lead, runtimeOn } from "../../../support/controller-runtime";
import { GROUP, IN_A, MEMORY } from "./cluster";

const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);

let api: FakeApi;
let stops: AbortController[];
let events: EventInput[];
let metrics: Metrics;
let refuse: ((method: string, path: string) => Error | undefined) | undefined;

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") });
  api = new FakeApi();
  put("/api/v1/namespaces", { metadata: { name: "team-a", labels: { tier: "gold" } } });
  [stops, events, metrics, refuse] = [[], [], new Metrics(), undefined];
});
afterEach(async () => {
  for (const stop of stops) stop.abort();
  await seconds(0);
  jest.useRealTimers();
});

/** Starts the controller as a leader. @returns the function that ends it */
function start(tables: PolicyOptions["tables"] = {}): () => void {
  const stop = new AbortController();
  stops.push(stop);
  const transport: Transport = {
    send: async (method, path, body, more) => {
      const error = refuse?.(method, path);
      if (error) throw error;
      return api.send(method, path, body, more);
    },
    watch: (path, more) => api.watch(path, more),
  };
  const runtime = runtimeOn(transport, { events, metrics: stops.length === 1 ? metrics : new Metrics() });
  const controllers = policyControllers({
    ...runtime,
    settings: { maxInFlight: 50, memory: MEMORY },
    checkpoints: { namespaces: "all", maxPerNode: 10 },
    tables,
  });
  void lead(runtime, controllers, stop.signal);
  return () => stop.abort();
}

function policy(name: string, spec: object): Stored {
  return put(`${IN_A}/checkpointpolicies`, {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "CheckpointPolicy",
    metadata: { name, namespace: "team-a", generation: 1 },
    spec: {
      suspend: false,
      trigger: { heartbeat: { intervalSeconds: 600, jitterSeconds: 0 } },
      action: { checkpoint: { leaveRunning: true } },
      minSpacingSeconds: 60,
      deadlineSeconds: 600,
      maxInFlight: 10,
      ...spec,
    },
  });
}

function pod(name: string, more: { labels?: object; annotations?: object; owner?: object } = {}): Stored {
  const { labels = {}, annotations = {}, owner } = more;
  return put("/api/v1/namespaces/team-a/pods", {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "team-a",
      labels,
      annotations,
      ...(owner && { ownerReferences: [{ controller: true, ...owner }] }),
    },
    spec: {
      nodeName: "n1",
      containers: [
        { name: "main", image: "app" },
        { name: "proxy", image: "proxy" },
      ],
    },
    status: {
      phase: "Running",
      containerStatuses: [{ name: "main", state: { running: { startedAt: "2026-11-27T11:00:00Z" } } }],
    },
  });
}

interface Created {
  readonly metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> };
  readonly spec: Record<string, unknown>;
}

/** Returns the Checkpoints, in the order of their names. */
async function created(): Promise<Created[]> {
  const { items } = (await api.send("GET", `${IN_A}/checkpoints`)) as { items: Created[] };
  return items.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** Stores an object, with any metadata. */
const put = (path: string, object: object) => api.put(path, object as Parameters<FakeApi["put"]>[1]);

const statusOf = (path: string) =>
  (api.get(path)?.["status"] ?? {}) as Record<string, unknown> & {
    conditions?: { type: string; status: string; reason: string; message: string }[];
  };

/** Ends the open Checkpoints, as their controller does. */
async function finish(
  state: "Ready" | "Failed" = "Ready",
  reason = "CheckpointCompleted",
  message = "done",
): Promise<void> {
  for (const { metadata } of await created()) {
    const path = `${IN_A}/checkpoints/${metadata.name}`;
    if (statusOf(path).conditions) continue;
    api.edit(path, (object) => {
      object["status"] = {
        completionTime: new Date().toISOString(),
        conditions: ["Ready", "Progressing", "Failed"].map((type) => ({
          type,
          status: type === state ? "True" : "False",
          reason,
          message,
        })),
      };
    });
  }
}

test("creates an ordinary Checkpoint of each pod that is due, and writes the status", async () => {
  const { uid } = policy("nightly", {
    filter: { pods: { matchLabels: { app: "web" } }, containers: ["main"] },
    action: { checkpoint: { engine: "criu", leaveRunning: false, deletionPolicy: "Delete" } },
  }).metadata;
  const web = pod("web-0", { labels: { app: "web" } });
  pod("db-0");
  start();
  await seconds(1);
  expect(statusOf(`${IN_A}/checkpointpolicies/nightly`)).toMatchObject({
    observedGeneration: 1,
    matchedPods: 1,
    inFlight: 0,
    nextRunTime: "2026-11-27T12:10:00.000Z",
  });
  expect(await created()).toEqual([]);
  await seconds(600);
  expect(await created()).toMatchObject([
    {
      metadata: {
        name: expect.stringMatching(/^web-0-[0-9a-f]{12}$/),
        labels: { "cedana.ai/policy": "nightly", "cedana.ai/policy-uid": uid },
        annotations: { "cedana.ai/policy-due": "2026-11-27T12:10:00.000Z" },
      },
      spec: {
        podRef: { name: "web-0", uid: web.metadata.uid },
        containers: ["main"],
        engine: "criu",
        leaveRunning: false,
        deletionPolicy: "Delete",
      },
    },
  ]);
  await finish();
  await seconds(20);
  const status = statusOf(`${IN_A}/checkpointpolicies/nightly`);
  expect(status).toMatchObject({
    lastRunTime: "2026-11-27T12:10:00.000Z",
    nextRunTime: "2026-11-27T12:20:00.000Z",
    inFlight: 0,
  });
  expect(status.conditions?.filter((one) => one.status === "True")).toMatchObject([
    { type: "Ready", reason: "Scheduled" },
  ]);
  const text = await metrics.registry.metrics();
  expect(text).toContain('cedana_policy_actions_total{trigger="heartbeat",outcome="started"} 1');
  expect(text).toContain('cedana_policy_actions_total{trigger="manual",outcome="missed"} 0');
  expect(text).toContain("cedana_policies 1\n");
});

test("a leader that takes over during a Checkpoint starts no second one, and continues with the next tick", async () => {
  policy("p", {});
  pod("a");
  const stop = start();
  await seconds(601);
  expect(await created()).toHaveLength(1);
  stop();
  await seconds(5);
  start();
  await seconds(60);
  expect(await created()).toHaveLength(1);
  await finish();
  await seconds(540);
  expect(await created()).toHaveLength(2);
});

test("a Checkpoint whose creation has an unknown outcome is created once", async () => {
  policy("p", {});
  pod("a");
  let lost = 0;
  start();
  await seconds(1);
  const send = api.send.bind(api);
  api.send = async (...given) => {
    const result = await send(...given);
    if (given[0] === "POST" && given[1].endsWith("/checkpoints") && lost++ === 0)
      throw new Error("socket hang up");
    return result;
  };
  await seconds(620);
  expect(lost).toBeGreaterThanOrEqual(1);
  expect(await created()).toHaveLength(1);
});

test("retries while the API server does not execute the request, until the deadline", async () => {
  policy("p", {});
  pod("a");
  start();
  await seconds(1);
  refuse = (method, path) =>
    method === "POST" && path.endsWith("/checkpoints") ? new Error("connect ECONNREFUSED") : undefined;
  await seconds(640);
  expect(await created()).toEqual([]);
  refuse = undefined;
  await seconds(10);
  expect(await created()).toHaveLength(1);
});

test("reports the failure of a Checkpoint in the status and as an event of the policy", async () => {
  policy("p", {});
  pod("a");
  start();
  await seconds(601);
  await finish("Failed", "CheckpointNotPossible", "container main has a GPU");
  await seconds(20);
  const failure = {
    namespace: "team-a",
    pod: "a",
    reason: "CheckpointNotPossible",
    message: "container main has a GPU",
  };
  expect(statusOf(`${IN_A}/checkpointpolicies/p`)["lastFailures"]).toMatchObject([failure]);
  expect(events).toMatchObject([
    {
      type: "Warning",
      reason: "CheckpointNotPossible",
      regarding: { kind: "CheckpointPolicy", name: "p", namespace: "team-a" },
      note: "pod team-a/a: container main has a GPU",
    },
  ]);
});

test("a policy whose trigger is invalid has the reason, and is Stalled for tools", async () => {
  policy("p", { trigger: { heartbeat: { cron: "0 0 30 2 *" } } });
  policy("suspended", { suspend: true });
  pod("a");
  start();
  await seconds(1);
  const holds = (name: string) =>
    statusOf(`${IN_A}/checkpointpolicies/${name}`).conditions?.filter((one) => one.status === "True");
  expect(holds("p")).toMatchObject([
    { type: "Failed", reason: "InvalidTrigger", message: "cron 0 0 30 2 * never occurs" },
    { type: "Stalled", reason: "InvalidTrigger" },
  ]);
  expect(holds("suspended")).toMatchObject([{ type: "Ready", reason: "Suspended" }]);
  const failed = async () =>
    /cedana_policies_failed\{reason="InvalidTrigger"\} \d/.exec(await metrics.registry.metrics())?.[0];
  expect(await failed()).toBe('cedana_policies_failed{reason="InvalidTrigger"} 1');
  policy("p", { trigger: { heartbeat: { cron: "0 0 28 2 *" } } });
  await seconds(16);
  expect(await failed()).toBe('cedana_policies_failed{reason="InvalidTrigger"} 0');
});

test("writes the status of a new generation at once, also right after another write", async () => {
  policy("p", {});
  pod("a");
  start();
  await seconds(2);
  api.edit(`${IN_A}/checkpointpolicies/p`, (object) => {
    object.metadata.generation = 2;
    object["spec"] = { ...(object["spec"] as object), suspend: true };
  });
  await seconds(1);
  expect(statusOf(`${IN_A}/checkpointpolicies/p`)).toMatchObject({ observedGeneration: 2 });
});

test("writes the status of a policy once a list that was denied is permitted", async () => {
  policy("p", {});
  pod("a");
  refuse = (method, path) =>
    method === "GET" && path.startsWith("/apis/batch/v1/jobs")
      ? new ApiError(403, "jobs is forbidden")
      : undefined;
  start();
  await seconds(90);
  expect(statusOf(`${IN_A}/checkpointpolicies/p`)).toEqual({});
  refuse = undefined;
  await seconds(100);
  expect(statusOf(`${IN_A}/checkpointpolicies/p`)).toMatchObject({ matchedPods: 1, inFlight: 0 });
});

test("a ClusterCheckpointPolicy checkpoints pods of namespaces with its labels, and has its status", async () => {
  put(`${GROUP}/clustercheckpointpolicies`, {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "ClusterCheckpointPolicy",
    metadata: { name: "gold", generation: 1 },
    spec: {
      trigger: { heartbeat: { intervalSeconds: 600, jitterSeconds: 0 } },
      filter: { namespaceSelector: { matchLabels: { tier: "gold" } } },
      action: { checkpoint: {} },
      minSpacingSeconds: 60,
      deadlineSeconds: 600,
      maxInFlight: 10,
    },
  });
  pod("a");
  start();
  await seconds(601);
  expect(await created()).toHaveLength(1);
  await seconds(20);
  expect(statusOf(`${GROUP}/clustercheckpointpolicies/gold`)).toMatchObject({ matchedPods: 1, inFlight: 1 });
});

test.each([
  ["ReplicaSet", "web-6c", "/apis/apps/v1/namespaces/team-a/replicasets"],
  ["StatefulSet", "web", "/apis/apps/v1/namespaces/team-a/statefulsets"],
  ["DaemonSet", "web", "/apis/apps/v1/namespaces/team-a/daemonsets"],
  ["Job", "web", "/apis/batch/v1/namespaces/team-a/jobs"],
])("the annotation of a %s requests a Checkpoint of each of its pods", async (kind, name, path) => {
  policy("p", { trigger: { manual: {} } });
  const owner = put(path, { metadata: { name, namespace: "team-a" } });
  const reference = { kind, name, uid: owner.metadata.uid, apiVersion: "apps/v1" };
  const labels = { "pod-template-hash": "6c" };
  pod("web-0", { owner: reference, labels });
  pod("web-1", { owner: reference, labels });
  pod("other");
  start();
  await seconds(60);
  expect(await created()).toEqual([]);
  api.edit(`${path}/${name}`, ({ metadata }) => {
    metadata["annotations"] = { "cedana.ai/checkpoint-requested-at": new Date().toISOString() };
  });
  await seconds(1);
  expect((await created()).map(({ spec }) => (spec["podRef"] as { name: string }).name)).toEqual([
    "web-0",
    "web-1",
  ]);
});

test("reports a request whose time cannot be read, as an event of the pod", async () => {
  policy("p", { trigger: { manual: {} } });
  pod("a");
  start();
  await seconds(1);
  api.edit("/api/v1/namespaces/team-a/pods/a", ({ metadata }) => {
    metadata["annotations"] = { "cedana.ai/checkpoint-requested-at": "now" };
  });
  await seconds(1);
  expect(await created()).toEqual([]);
  expect(events).toMatchObject([
    {
      reason: "InvalidRequest",
      regarding: { kind: "Pod", name: "a" },
      note: expect.stringContaining("is now,"),
    },
  ]);
});

test("reports such a request of a workload, for a ReplicaSet on its Deployment", async () => {
  policy("p", { trigger: { manual: {} } });
  const owner = { apiVersion: "apps/v1", kind: "Deployment", name: "web", uid: "d", controller: true };
  const path = "/apis/apps/v1/namespaces/team-a";
  put(`${path}/replicasets`, {
    metadata: { name: "web-6c", namespace: "team-a", ownerReferences: [owner] },
  });
  put(`${path}/statefulsets`, { metadata: { name: "db", namespace: "team-a" } });
  start();
  await seconds(1);
  for (const name of ["replicasets/web-6c", "statefulsets/db"]) {
    api.edit(`${path}/${name}`, ({ metadata }) => {
      metadata["annotations"] = { "cedana.ai/checkpoint-requested-at": "soon" };
    });
  }
  await seconds(1);
  expect(events.map(({ regarding }) => regarding)).toMatchObject([
    { kind: "Deployment", name: "web", namespace: "team-a", uid: "d" },
    { kind: "StatefulSet", name: "db", namespace: "team-a" },
  ]);
});
