/**
 * What Cedana's page about automation says of policies: a test for each sentence, with the controller on an API in memory. The suites
 * beside this one test each part in depth.
 */
import { IN_A, PolicyCluster } from "./cluster";

const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
const DAY_MS = 86_400_000;
const METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/team-a/pods";
let cluster: PolicyCluster;

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") });
  cluster = new PolicyCluster({
    settings: {
      maxInFlight: 50,
      actions: ["checkpoint", "deleteCheckpoints"],
      memory: { namespace: "cedana-system", readings: "metrics-server" },
    },
  });
});
afterEach(async () => {
  cluster.stop();
  await seconds(0);
  jest.useRealTimers();
});

/** Creates a pod of a Deployment, with a memory limit of 100 MiB. */
function pod(name: string, deployment: string): void {
  cluster.pod(name, {
    metadata: {
      labels: { "pod-template-hash": "6c" },
      ownerReferences: [
        {
          apiVersion: "apps/v1",
          controller: true,
          kind: "ReplicaSet",
          name: `${deployment}-6c`,
          uid: `uid-${deployment}`,
        },
      ],
    },
    spec: {
      containers: [{ name: "main", image: "app", resources: { limits: { memory: "100Mi" } } }],
    },
    status: {
      containerStatuses: [{ name: "main", state: { running: { startedAt: "2026-11-27T11:00:00Z" } } }],
    },
  });
}

/** Sets the memory of a pod, as a metrics server reports it. */
function measure(name: string, mebibytes: number): void {
  cluster.put(METRICS, {
    metadata: { name, namespace: "team-a" },
    timestamp: new Date().toISOString(),
    containers: [{ name: "main", usage: { memory: `${mebibytes}Mi` } }],
  });
}

const checkpointed = async () => (await cluster.created()).map(({ spec }) => spec.podRef.name).toSorted();

test("heartbeat checkpointing, which will act as a cron job and checkpoint every n minutes", async () => {
  cluster.policy("interval", {
    trigger: { heartbeat: { intervalSeconds: 5 * 60, jitterSeconds: 0 } },
    filter: { owners: [{ kind: "Deployment", names: ["web"] }] },
  });
  cluster.policy("cron", {
    trigger: { heartbeat: { cron: "*/10 * * * *", jitterSeconds: 0 } },
    filter: { owners: [{ kind: "Deployment", names: ["api"] }] },
  });
  pod("web", "web");
  pod("api", "api");
  cluster.start();
  for (let minute = 0; minute < 20; minute++) {
    await seconds(60);
    await cluster.finish();
  }
  await seconds(5);
  expect(await checkpointed()).toEqual(["api", "api", "web", "web", "web", "web"]);
});

test("fires a checkpoint if a pod exceeds 80 % memory utilization in a specific namespace or deployment", async () => {
  cluster.policy("full", {
    trigger: { memory: { percent: 80 } },
    filter: { owners: [{ kind: "Deployment", names: ["web"] }] },
  });
  for (const [name, deployment] of [
    ["below", "web"],
    ["above", "web"],
    ["other", "api"],
  ] as const)
    pod(name, deployment);
  cluster.start();
  for (const name of ["below", "above", "other"]) measure(name, 50);
  await seconds(60);
  expect(await checkpointed()).toEqual([]);
  measure("below", 79);
  measure("above", 81);
  measure("other", 95);
  await seconds(60);
  expect(await checkpointed()).toEqual(["above"]);
  cluster.policy("namespace", { trigger: { memory: { percent: 80 } } });
  await cluster.finish();
  await seconds(60);
  expect(await checkpointed()).toEqual(["above", "above", "other"]);
});

test("deletes checkpoints past a certain age", async () => {
  for (const days of [30, 8, 6, 1]) {
    const time = new Date(Date.now() - days * DAY_MS).toISOString();
    cluster.put(`${IN_A}/checkpoints`, {
      metadata: {
        name: `d${days}`,
        namespace: "team-a",
        labels: { "cedana.ai/policy": "nightly", "cedana.ai/policy-uid": "u" },
        creationTimestamp: time,
      },
      spec: { podRef: { name: "web-0" } },
      status: {
        podUID: "p",
        owner: { apiVersion: "apps/v1", kind: "StatefulSet", name: "web", uid: "s" },
        completionTime: time,
        conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: "" }],
      },
    });
  }
  cluster.policy("week", {
    trigger: { heartbeat: { intervalSeconds: 600, jitterSeconds: 0 } },
    action: { deleteCheckpoints: { olderThanSeconds: 7 * 86_400 } },
  });
  cluster.start();
  await seconds(601);
  expect((await cluster.created()).map(({ metadata }) => metadata.name)).toEqual(["d1", "d6"]);
});

test("checkpoints on some webhook", async () => {
  cluster.policy("deploy", { trigger: { webhook: { secret: { name: "hooks" } } } });
  pod("web", "web");
  cluster.start();
  await seconds(60);
  expect(await checkpointed()).toEqual([]);
  // The replica that verifies a request records it so: webhook/receiver.test.ts.
  cluster.api.edit(`${IN_A}/checkpointpolicies/deploy`, (object) => {
    object["status"] = { firings: [{ id: "msg_1", time: new Date().toISOString() }] };
  });
  await seconds(5);
  expect(await checkpointed()).toEqual(["web"]);
});
