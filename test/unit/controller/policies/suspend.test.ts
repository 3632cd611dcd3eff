/** The actions `suspend` and `resume`: all pods or none, and once. */
import {
  checkpoints,
  deployment,
  failures,
  finish,
  later,
  pod,
  policy,
  PODS,
  put,
  REPLICA_SETS,
  request,
  reset,
  RESUME,
  scaleOf,
  seconds,
  setUID,
  start,
  SUSPEND,
  suspending,
  world,
} from "./suspend-support";

const IN_A = "/apis/automation.cedana.ai/v1alpha1/namespaces/team-a";

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") });
  reset();
});
afterEach(async () => {
  for (const stop of world.stops) stop();
  await seconds(0);
  jest.useRealTimers();
});

test("scales the Deployment to zero once the Checkpoints of all of its pods are completed, and not before", async () => {
  const path = await suspending(3);
  expect(await checkpoints()).toHaveLength(3);
  await finish(["web-6c-0", "web-6c-1"]);
  await seconds(60);
  expect(scaleOf(path)).toMatchObject({ replicas: 3, labels: {} });
  await finish();
  await seconds(10);
  expect(scaleOf(path)).toEqual({
    replicas: 0,
    labels: { "cedana.ai/suspended": "true" },
    annotations: {
      "cedana.ai/suspended-replicas": "3",
      "cedana.ai/suspended-by": "night",
      "cedana.ai/suspended-at": expect.stringMatching(/^2026-11-27T12:01:/),
    },
  });
  expect(world.events.filter(({ reason }) => reason === "SuspendedByPolicy")).toMatchObject([
    {
      regarding: { kind: "Deployment", name: "web", apiVersion: "apps/v1" },
      note: "policy night: all 3 pods are checkpointed; scaled from 3 to 0",
    },
  ]);
});

test("its Checkpoints have the engine and deletionPolicy of the action", async () => {
  policy("night", { action: { suspend: { engine: "criu", deletionPolicy: "Delete" } } });
  deployment(1);
  start();
  await seconds(2);
  request();
  await seconds(3);
  expect(await checkpoints()).toMatchObject([{ spec: { engine: "criu", deletionPolicy: "Delete" } }]);
});

test("scales nothing if one Checkpoint fails, and says which one", async () => {
  const path = await suspending(2);
  await finish(["web-6c-1"], "Failed");
  await finish();
  await seconds(700);
  expect(scaleOf(path).replicas).toBe(2);
  expect(failures("night").map(({ reason }) => reason)).toContain("NotAllCheckpointed");
  expect(JSON.stringify(failures("night"))).toMatch(
    /not suspended: Checkpoint web-6c-1-\w+ of pod web-6c-1: criu failed/,
  );
});

test.each([
  ["in the order of their names", [0, 1, 3, 4]],
  ["in the reverse order", [4, 3, 1, 0]],
])("reports once that one of many Checkpoints failed, if the others end %s", async (_, order) => {
  const path = await suspending(5);
  await finish(["web-6c-2"], "Failed");
  for (const index of order) {
    await finish([`web-6c-${index}`]);
    await seconds(7);
  }
  await seconds(700);
  expect(scaleOf(path).replicas).toBe(5);
  expect(failures("night").map(({ reason }) => reason)).toEqual(["NotAllCheckpointed", "CheckpointFailed"]);
});

test("sends no more requests once a failed Checkpoint is reported", async () => {
  await suspending(5);
  await finish(["web-6c-2"], "Failed");
  await finish();
  await seconds(20);
  expect(failures("night").map(({ reason }) => reason)).toEqual(["NotAllCheckpointed", "CheckpointFailed"]);
  const requests: string[] = [];
  const inner = world.api.send.bind(world.api);
  world.api.send = async (...given) => {
    if (!/\/(leases|status|events)\b/.test(given[1])) requests.push(`${given[0]} ${given[1]}`);
    return inner(...given);
  };
  await seconds(560);
  expect(requests).toEqual([]);
});

test("reports the failure also if the Checkpoint whose follow-up would report it ends later, and fails too", async () => {
  await suspending(3);
  await finish(["web-6c-2"], "Failed");
  await finish(["web-6c-1"]);
  await seconds(60);
  expect(failures("night").map(({ reason }) => reason)).toEqual(["CheckpointFailed"]);
  await finish(["web-6c-0"], "Failed");
  await seconds(20);
  expect(failures("night").map(({ reason }) => reason)).toEqual([
    "NotAllCheckpointed",
    "CheckpointFailed",
    "CheckpointFailed",
  ]);
  await seconds(600);
  expect(failures("night")).toHaveLength(3);
});

test("scales nothing while a pod has no Checkpoint: one that appeared meanwhile", async () => {
  policy("night", { ...SUSPEND, deadlineSeconds: 60 });
  const path = deployment(2);
  start();
  await seconds(2);
  request();
  await seconds(3);
  pod("web-6c-new", setUID());
  await finish();
  await seconds(100);
  expect(scaleOf(path).replicas).toBe(2);
  expect(JSON.stringify(failures("night"))).toContain(
    "1 of 3 pods have no completed Checkpoint of 2026-11-27T12:00:03.000Z: web-6c-new",
  );
  expect(failures("night")).toHaveLength(1);
});

test("a Checkpoint of one of the pods that was deleted meanwhile keeps the Deployment", async () => {
  const path = await suspending(2);
  const inner = world.api.send.bind(world.api);
  world.api.send = async (...given) => {
    // The cache does not have the deletion yet.
    if (given[0] === "GET" && /\/checkpoints\/web-6c-1-/.test(given[1])) world.api.remove(given[1]);
    return inner(...given);
  };
  await finish();
  await seconds(60);
  expect(scaleOf(path).replicas).toBe(2);
});

test.each([
  ["the cache has it", false],
  ["the cache does not have it yet", true],
])(
  "a Checkpoint that a finalizer keeps while it is deleted keeps the Deployment, if %s",
  async (_, isLate) => {
    const path = await suspending(2);
    const mark = (at: string) =>
      world.api.edit(at, ({ metadata }) => void (metadata["deletionTimestamp"] ??= later(0)));
    const inner = world.api.send.bind(world.api);
    world.api.send = async (...given) => {
      if (isLate && given[0] === "GET" && /\/checkpoints\/web-6c-1-/.test(given[1])) mark(given[1]);
      return inner(...given);
    };
    await finish(["web-6c-1"]);
    const [one] = (await checkpoints()).filter(({ metadata }) => metadata.name.startsWith("web-6c-1-"));
    if (!isLate) mark(`${IN_A}/checkpoints/${one?.metadata.name}`);
    await finish();
    await seconds(60);
    expect(scaleOf(path).replicas).toBe(2);
    expect(JSON.stringify(failures("night"))).toMatch(
      /not suspended: Checkpoint web-6c-1-\w+ was deleted or has no artifact/,
    );
  },
);

test("does not fight: a client that scales it up again keeps its number", async () => {
  const path = await suspending(2);
  await finish();
  await seconds(10);
  expect(scaleOf(path).replicas).toBe(0);
  // As a GitOps tool does. The ReplicaSet then replaces the pods.
  world.api.edit(path, (object) => void ((object["spec"] as { replicas: number }).replicas = 2));
  for (const name of ["web-6c-0", "web-6c-1"]) world.api.remove(`${PODS}/${name}`);
  pod("web-6c-2", setUID());
  pod("web-6c-3", setUID());
  await seconds(1200);
  expect(scaleOf(path).replicas).toBe(2);
  expect(await checkpoints()).toHaveLength(2);
});

test("a conflict with another write is tried again, with the replicas that it set", async () => {
  const path = await suspending(2);
  let conflicts = 0;
  const inner = world.api.send.bind(world.api);
  world.api.send = async (...given) => {
    if (given[0] === "PATCH" && given[1] === path && conflicts++ === 0)
      world.api.edit(path, (object) => void ((object["spec"] as { replicas: number }).replicas = 5));
    return inner(...given);
  };
  await finish();
  await seconds(20);
  expect(scaleOf(path)).toMatchObject({ replicas: 0, annotations: { "cedana.ai/suspended-replicas": "5" } });
  expect(failures("night")).toEqual([]);
});

test.each([
  ["a DaemonSet", "DaemonSet", "is of DaemonSet web-6c"],
  ["a workload of another kind", "Rollout", "is of Rollout web-6c"],
])("takes no Checkpoint of a pod of %s", async (_, kind, text) => {
  policy("night", SUSPEND);
  const path = deployment(1);
  world.api.edit(`${PODS}/web-6c-0`, ({ metadata }) => {
    metadata["ownerReferences"] = [
      { apiVersion: "apps/v1", kind, name: "web-6c", uid: "u", controller: true },
    ];
    metadata["annotations"] = { "cedana.ai/checkpoint-requested-at": later(2) };
  });
  start();
  await seconds(60);
  expect(await checkpoints()).toEqual([]);
  expect(scaleOf(path).replicas).toBe(1);
  expect(failures("night")).toMatchObject([
    { reason: "NotSuspendable", message: expect.stringContaining(text) },
  ]);
});

test("a Deployment that only has the name is not scaled", async () => {
  policy("night", SUSPEND);
  const path = deployment(1);
  world.api.edit(`${REPLICA_SETS}/web-6c`, ({ metadata }) => {
    metadata["ownerReferences"] = [];
  });
  start();
  await seconds(2);
  request();
  await seconds(3);
  await finish();
  await seconds(20);
  expect(scaleOf(path).replicas).toBe(1);
  expect(failures("night")).toMatchObject([
    { reason: "NotSuspendable", message: "Deployment web does not own the pod web-6c-0" },
  ]);
});

test("with a heartbeat, the pods of a workload are due at the same time", async () => {
  policy("night", { ...SUSPEND, trigger: { heartbeat: { intervalSeconds: 3600 } } });
  deployment(3);
  start();
  await seconds(3601);
  const due = (await checkpoints()).map(
    ({ metadata }) => (metadata["annotations"] as Record<string, string>)["cedana.ai/policy-due"],
  );
  expect(due).toHaveLength(3);
  expect(new Set(due).size).toBe(1);
});

/** Suspends the Deployment. @returns its path */
async function suspended(pods = 2): Promise<string> {
  policy("night", SUSPEND);
  const path = deployment(pods);
  await seconds(2);
  request();
  await seconds(3);
  await finish();
  await seconds(10);
  expect(scaleOf(path).replicas).toBe(0);
  for (let index = 0; index < pods; index++) world.api.remove(`${PODS}/web-6c-${index}`);
  return path;
}

test("resume scales to the replicas before, on request, and removes its marks", async () => {
  const message = "suspended workloads that match are scaled back when they are due";
  start();
  policy("morning", RESUME);
  const path = await suspended();
  await seconds(60);
  // The request that suspended it does not resume it.
  expect(scaleOf(path).replicas).toBe(0);
  const status = {
    matchedPods: 1,
    conditions: expect.arrayContaining([expect.objectContaining({ message })]),
  };
  expect(world.api.get(`${IN_A}/checkpointpolicies/morning`)?.["status"]).toMatchObject(status);
  request(path);
  await seconds(3);
  const { replicas, labels, annotations } = scaleOf(path);
  expect([replicas, labels, Object.keys(annotations)]).toEqual([
    2,
    {},
    ["cedana.ai/checkpoint-requested-at"],
  ]);
  expect(world.events.at(-1)).toMatchObject({
    reason: "ResumedByPolicy",
    note: "policy morning: scaled from 0 to 2",
  });
  await seconds(60);
  expect(await checkpoints()).toHaveLength(2);
  expect(world.api.get(`${IN_A}/checkpointpolicies/morning`)?.["status"]).toMatchObject({
    matchedPods: 0,
    inFlight: 0,
  });
});

test("resume by a schedule, with the filters on the pod template", async () => {
  start();
  const trigger = { heartbeat: { intervalSeconds: 600, jitterSeconds: 0 } };
  policy("other", { ...RESUME, trigger, filter: { pods: { matchLabels: { app: "db" } } } });
  const path = await suspended();
  await seconds(700);
  expect(scaleOf(path).replicas).toBe(0);
  policy("morning", {
    ...RESUME,
    trigger,
    filter: { pods: { matchLabels: { app: "web" } }, owners: [{ kind: "Deployment" }] },
  });
  await seconds(700);
  expect(scaleOf(path).replicas).toBe(2);
});

test("resume leaves the replicas that another client set, and reports an annotation that it cannot use", async () => {
  start();
  policy("morning", RESUME);
  const path = await suspended();
  world.api.edit(path, (object) => void ((object["spec"] as { replicas: number }).replicas = 7));
  request(path);
  await seconds(3);
  expect(scaleOf(path)).toMatchObject({ replicas: 7, labels: {} });
  expect(world.events.at(-1)?.note).toBe("policy morning: another client has scaled it to 7 already");
  world.api.edit(path, (object) => {
    (object["spec"] as { replicas: number }).replicas = 0;
    object.metadata["labels"] = { "cedana.ai/suspended": "true" };
    object.metadata["annotations"] = { "cedana.ai/suspended-replicas": "many" };
  });
  request(path);
  await seconds(30);
  expect(scaleOf(path).replicas).toBe(0);
  expect(failures("morning")).toMatchObject([
    { reason: "InvalidSuspension", message: expect.stringContaining('is "many"; allowed: 1 to 100000') },
  ]);
});

test("a Job is suspended and resumed", async () => {
  start();
  policy("night", SUSPEND);
  policy("morning", RESUME);
  const path = "/apis/batch/v1/namespaces/team-a/jobs/train";
  const job = put("/apis/batch/v1/namespaces/team-a/jobs", {
    metadata: { name: "train", namespace: "team-a" },
    spec: {
      selector: { matchLabels: { job: "train" } },
      template: { metadata: { labels: { job: "train" } } },
    },
  });
  put(PODS, {
    metadata: {
      name: "train-0",
      namespace: "team-a",
      labels: { job: "train" },
      ownerReferences: [
        { apiVersion: "batch/v1", kind: "Job", name: "train", uid: job.metadata.uid, controller: true },
      ],
    },
    spec: { nodeName: "n1", containers: [{ name: "main" }] },
    status: { phase: "Running" },
  });
  await seconds(2);
  request(path);
  await seconds(3);
  await finish();
  await seconds(10);
  expect(world.api.get(path)).toMatchObject({
    metadata: {
      labels: { "cedana.ai/suspended": "true" },
      annotations: { "cedana.ai/suspended-replicas": "1" },
    },
    spec: { suspend: true },
  });
  world.api.remove(`${PODS}/train-0`);
  request(path);
  await seconds(3);
  expect(world.api.get(path)).toMatchObject({ metadata: { labels: {} }, spec: { suspend: false } });
});
