/** What follows a completed Checkpoint of a policy: leaders that end at any step, and what must not happen. */
import { policyControllers } from "../../../../controller/policies";
import { ACTIONS } from "../../../../controller/policies/actions";
import { Metrics, type EventInput } from "../../../../kube";
import { ApiError } from "../../../../kube/client";
import { FakeApi, type Stored } from "../../../../testbed/fake-api";
import { lead, runtimeOn } from "../../../support/controller-runtime";
import { IN_A, MEMORY } from "./cluster";

const PODS = "/api/v1/namespaces/team-a/pods";
const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
const put = (path: string, object: object) => api.put(path, object as Parameters<FakeApi["put"]>[1]);

let api: FakeApi;
let stops: AbortController[];
let events: EventInput[];
let metrics: Metrics;
let evicted: { readonly name: string; readonly uid: string }[];
/** Why the next evictions are refused. */
let refused: ApiError[];

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") });
  api = new FakeApi();
  put("/api/v1/namespaces", { metadata: { name: "team-a" } });
  [stops, events, evicted, refused, metrics] = [[], [], [], [], new Metrics()];
  serveEvictions();
});
afterEach(async () => {
  for (const stop of stops) stop.abort();
  await seconds(0);
  jest.useRealTimers();
});

/** Serves evictions as the API server does. The pod ends some time later. */
function serveEvictions(): void {
  const send = api.send.bind(api);
  api.send = async (method, path, body, more) => {
    if (!path.endsWith("/eviction")) return send(method, path, body, more);
    await Promise.resolve();
    const pod = api.get(path.slice(0, -"/eviction".length));
    const eviction = body?.content as
      | { readonly deleteOptions: { readonly preconditions: { readonly uid: string } } }
      | undefined;
    const uid = eviction?.deleteOptions.preconditions.uid ?? "";
    if (!pod) throw new ApiError(404, "pods not found");
    if (pod.metadata.uid !== uid) throw new ApiError(409, "the UID in the precondition does not match");
    const error = refused.shift();
    if (error) throw error;
    evicted.push({ name: pod.metadata.name, uid });
    api.edit(`${PODS}/${pod.metadata.name}`, (object) => {
      object.metadata["deletionTimestamp"] = new Date().toISOString();
    });
    return {};
  };
}

/** The first leader has the metrics of the test. */
function nextMetrics(): Metrics {
  return stops.length === 1 && api.log.length === 0 ? metrics : new Metrics();
}

/** Starts the controllers as a leader. @returns the function that ends them, at any step */
function start(): () => void {
  const stop = new AbortController();
  stops.push(stop);
  const runtime = runtimeOn(api, { events, metrics: nextMetrics() });
  const actions = Object.keys(ACTIONS) as never;
  const controllers = policyControllers({
    ...runtime,
    settings: { maxInFlight: 50, memory: MEMORY, actions },
    checkpoints: { namespaces: "all", maxPerNode: 10 },
  });
  void lead(runtime, controllers, stop.signal);
  return () => stop.abort();
}

function policy(more: object = {}): Stored {
  return put(`${IN_A}/checkpointpolicies`, {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "CheckpointPolicy",
    metadata: { name: "drain", namespace: "team-a", generation: 1 },
    spec: {
      suspend: false,
      trigger: { manual: {} },
      action: { checkpointThenDelete: {} },
      minSpacingSeconds: 0,
      deadlineSeconds: 600,
      maxInFlight: 10,
      ...more,
    },
  });
}

function pod(name = "web-0"): Stored {
  return put(PODS, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "team-a",
      annotations: { "cedana.ai/checkpoint-requested-at": new Date(Date.now() + 1000).toISOString() },
    },
    spec: { nodeName: "n1", containers: [{ name: "main", image: "app" }] },
    status: { phase: "Running" },
  });
}

async function checkpoints(): Promise<Stored[]> {
  const { items } = (await api.send("GET", `${IN_A}/checkpoints`)) as { items: Stored[] };
  return items;
}

/** Ends the open Checkpoints, as their controller does. */
async function finish(state: "Ready" | "Failed" = "Ready"): Promise<void> {
  for (const { metadata, ...object } of await checkpoints()) {
    const { podRef } = object["spec"] as { podRef: { uid: string } };
    api.edit(`${IN_A}/checkpoints/${metadata.name}`, (one) => {
      one["status"] = {
        podUID: podRef.uid,
        completionTime: new Date().toISOString(),
        conditions: ["Ready", "Progressing", "Failed"].map((type) => ({
          type,
          status: type === state ? "True" : "False",
          reason: state === "Ready" ? "CheckpointCompleted" : "CheckpointFailed",
          message: "",
        })),
      };
    });
  }
}

const failures = () =>
  (
    (api.get(`${IN_A}/checkpointpolicies/drain`)?.["status"] ?? {}) as {
      lastFailures?: { message: string; reason: string }[];
    }
  ).lastFailures ?? [];

test("evicts the pod after its Checkpoint is completed, and not before", async () => {
  policy();
  const { metadata } = pod();
  start();
  await seconds(30);
  expect(await checkpoints()).toMatchObject([
    { metadata: { annotations: { "cedana.ai/policy-action": "checkpointThenDelete" } } },
  ]);
  expect(evicted).toEqual([]);
  await finish();
  await seconds(1);
  expect(evicted).toEqual([{ name: "web-0", uid: metadata.uid }]);
  expect(events).toMatchObject([{ type: "Normal", reason: "EvictedByPolicy", regarding: { name: "web-0" } }]);
  await seconds(120);
  expect(evicted).toHaveLength(1);
  expect(await metrics.registry.metrics()).toContain(
    'cedana_policy_follow_ups_total{action="checkpointThenDelete",outcome="done"} 1',
  );
});

test("never evicts after a failed Checkpoint", async () => {
  policy();
  pod();
  start();
  await seconds(5);
  await finish("Failed");
  await seconds(700);
  expect(evicted).toEqual([]);
  expect(failures()).toMatchObject([{ reason: "CheckpointFailed" }]);
});

test.each(["gone", "kept by a finalizer"])("a deleted Checkpoint evicts no pod: %s", async (state) => {
  policy();
  pod();
  start();
  await seconds(5);
  // The watch reports the end, and not yet the deletion before the next read.
  const send = api.send.bind(api);
  api.send = async (method, path, body, more) => {
    const isRead = method === "GET" && /\/checkpoints\/web-0-/.test(path);
    if (isRead && state === "gone") throw new ApiError(404, "not found");
    if (isRead)
      api.edit(path, ({ metadata }) => void (metadata["deletionTimestamp"] = "2026-11-27T12:00:05Z"));
    return send(method, path, body, more);
  };
  await finish();
  await seconds(60);
  expect(evicted).toEqual([]);
});

test.each(["another pod of the name", "a pod that ends already", "no pod"])(
  "leaves %s alone",
  async (what) => {
    policy();
    pod();
    const stop = start();
    await seconds(5);
    stop();
    await finish();
    api.remove(`${PODS}/web-0`);
    if (what !== "no pod")
      put(PODS, {
        metadata: {
          name: "web-0",
          namespace: "team-a",
          ...(what === "a pod that ends already" ? { deletionTimestamp: "2026-11-27T12:00:05Z" } : {}),
        },
        spec: { nodeName: "n1", containers: [] },
        status: { phase: "Running" },
      });
    start();
    await seconds(60);
    expect(evicted).toEqual([]);
  },
);

test.each<[string, (object: Stored) => void]>([
  ["suspended", (object) => void Object.assign(object["spec"] as object, { suspend: true })],
  ["changed", (object) => void Object.assign(object["spec"] as object, { action: { checkpoint: {} } })],
])("a policy that is %s while its Checkpoint is in flight evicts nothing", async (_, change) => {
  policy();
  pod();
  start();
  await seconds(5);
  api.edit(`${IN_A}/checkpointpolicies/drain`, (object) => {
    change(object);
    object.metadata["generation"] = 2;
  });
  await finish();
  await seconds(60);
  expect(evicted).toEqual([]);
});

test("a Checkpoint without the annotation, and an imported one, evict nothing", async () => {
  policy();
  pod();
  const stop = start();
  await seconds(5);
  stop();
  await finish();
  const [one] = await checkpoints();
  const path = `${IN_A}/checkpoints/${one?.metadata.name}`;
  api.edit(path, (object) => void (object["record"] = { checkpointUID: "another", result: {} }));
  start();
  await seconds(30);
  expect(evicted).toEqual([]);
  api.edit(path, (object) => {
    delete object["record"];
    object.metadata["annotations"] = {};
  });
  await seconds(30);
  expect(evicted).toEqual([]);
});

test("waits for a PodDisruptionBudget, and reports it after deadlineSeconds", async () => {
  policy({ deadlineSeconds: 60 });
  pod();
  start();
  await seconds(5);
  const budget = () => new ApiError(429, "Cannot evict pod as it would violate the pod's disruption budget.");
  refused = [budget(), budget(), budget()];
  await finish();
  await seconds(20);
  expect(evicted).toHaveLength(1);
  pod("web-1");
  await seconds(5);
  refused = Array.from({ length: 100 }, budget);
  await finish();
  await seconds(100);
  expect(evicted).toHaveLength(1);
  expect(failures()).toMatchObject([
    {
      reason: "DeadlineExceeded",
      message: expect.stringContaining(
        "is completed, and checkpointThenDelete was not done within deadlineSeconds after it: a PodDisruptionBudget does not permit the eviction",
      ),
    },
  ]);
});

test("an eviction that the API server forbids is reported once", async () => {
  policy();
  pod();
  start();
  await seconds(5);
  refused = [new ApiError(403, "pods web-0 is forbidden")];
  await finish();
  await seconds(60);
  expect(evicted).toEqual([]);
  expect(failures()).toMatchObject([{ reason: "Rejected", message: "pods web-0 is forbidden" }]);
});

test("an action that the install does not enable is a problem of the policy", async () => {
  policy({ action: { checkpointThenDelete: {} } });
  pod();
  const stop = new AbortController();
  stops.push(stop);
  const runtime = runtimeOn(api, { events });
  const controllers = policyControllers({
    ...runtime,
    settings: { maxInFlight: 50, memory: MEMORY },
    checkpoints: { namespaces: "all", maxPerNode: 10 },
  });
  void lead(runtime, controllers, stop.signal);
  await seconds(5);
  expect(await checkpoints()).toEqual([]);
  expect(api.get(`${IN_A}/checkpointpolicies/drain`)?.["status"]).toMatchObject({
    conditions: expect.arrayContaining([
      expect.objectContaining({
        type: "Failed",
        status: "True",
        message:
          "this controller does not have the action checkpointThenDelete; install.policies enables: checkpoint",
      }),
    ]),
  });
});

test.each([false, true])(
  "a leader that ends at any of its requests, executed: %s, leaves nothing undone, and nothing is done twice",
  async (isExecuted) => {
    let cuts = 0;
    for (let cut = 1; ; cut++) {
      api = new FakeApi();
      [events, evicted] = [[], []];
      serveEvictions();
      put("/api/v1/namespaces", { metadata: { name: "team-a" } });
      policy();
      pod();
      let [count, isCut] = [0, false];
      let stop = () => {};
      const inner = api.send.bind(api);
      api.send = async (...given) => {
        const [method, path] = given;
        if (isCut) throw new Error("the leader has ended");
        // Lists are how it starts.
        if ((method !== "GET" || path.includes("/checkpoints/")) && ++count === cut) {
          isCut = true;
          stop();
          if (isExecuted) await inner(...given);
          throw new Error("socket hang up");
        }
        return inner(...given);
      };
      stop = start();
      await seconds(3);
      api.send = inner;
      await finish();
      await seconds(isCut ? 0 : 5);
      stop();
      await seconds(20);
      stop = start();
      await seconds(5);
      await finish();
      await seconds(10);
      stop();
      await seconds(1);
      expect([cut, (await checkpoints()).length, evicted.length]).toEqual([cut, 1, 1]);
      if (!isCut) break;
      cuts = cut;
    }
    // The Checkpoint and the status of the policy at least.
    expect(cuts).toBeGreaterThanOrEqual(2);
  },
  60_000,
);

test.each([1, 2])(
  "a leader that ends at request %i after the Checkpoint is completed evicts the pod once",
  async (cut) => {
    for (const isExecuted of [false, true]) {
      api = new FakeApi();
      [events, evicted] = [[], []];
      serveEvictions();
      put("/api/v1/namespaces", { metadata: { name: "team-a" } });
      policy();
      pod();
      let stop = start();
      await seconds(20);
      let count = 0;
      const inner = api.send.bind(api);
      api.send = async (...given) => {
        const [method, path] = given;
        // The read of the Checkpoint, then the eviction.
        const isStep = (method === "GET" && path.includes("/checkpoints/")) || path.endsWith("/eviction");
        if (!isStep || ++count !== cut) return inner(...given);
        stop();
        if (isExecuted) await inner(...given);
        throw new Error("socket hang up");
      };
      await finish();
      await seconds(1);
      expect(count).toBe(cut);
      stop = start();
      await seconds(10);
      stop();
      await seconds(1);
      expect([isExecuted, evicted.length]).toEqual([isExecuted, 1]);
    }
  },
);
