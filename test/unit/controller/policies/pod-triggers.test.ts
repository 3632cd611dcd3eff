import { IN_A, MEMORY, PolicyCluster } from "./cluster";

const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
let cluster: PolicyCluster;

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") });
  cluster = new PolicyCluster({
    settings: { maxInFlight: 50, memory: MEMORY },
  });
});
afterEach(async () => {
  cluster.stop();
  await seconds(0);
  jest.useRealTimers();
});

test("checkpoints one pod of each revision of a Deployment once it is Ready, across leaders", async () => {
  cluster.policy("warm", { trigger: { startup: { readySeconds: 30 } } });
  const of = (hash: string, readySince?: string) => ({
    metadata: {
      labels: { "pod-template-hash": hash },
      ownerReferences: [
        {
          apiVersion: "apps/v1",
          controller: true,
          kind: "ReplicaSet",
          name: `web-${hash}`,
          uid: `rs-${hash}`,
        },
      ],
    },
    status: {
      phase: "Running",
      conditions: [
        {
          type: "Ready",
          status: readySince ? "True" : "False",
          lastTransitionTime: readySince ?? "2026-11-27T11:59:00Z",
        },
      ],
    },
  });
  for (const name of ["a", "b"]) cluster.pod(name, of("abc", "2026-11-27T12:00:10Z"));
  cluster.pod("c", of("abc"));
  const stop = cluster.start();
  await seconds(35);
  expect(await cluster.created()).toEqual([]);
  await seconds(10);
  const [first, ...others] = await cluster.created();
  expect(first?.metadata.name).toMatch(/^web-[0-9a-f]{12}$/);
  expect(others).toEqual([]);
  stop();
  await seconds(5);
  cluster.start();
  await seconds(60);
  expect(await cluster.created()).toHaveLength(1);
  cluster.pod("d", of("def", new Date().toISOString()));
  await seconds(40);
  expect((await cluster.created()).map(({ spec }) => spec.podRef.name).toSorted()).toEqual([
    expect.stringMatching(/^[ab]$/),
    "d",
  ]);
});

const WATCHES = "/apis/automation.cedana.ai/v1alpha1/namespaces/cedana-system/nodememorywatches";
const METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/team-a/pods";
const MIB = 1024 * 1024;

describe("memory", () => {
  beforeEach(() => {
    cluster = new PolicyCluster({
      settings: { maxInFlight: 50, memory: { namespace: "cedana-system", readings: "metrics-server" } },
    });
  });

  /** Sets the memory of the container of a pod, as the metrics server reports it. */
  function measure(pod: string, mebibytes: number, timestamp = new Date()): void {
    cluster.put(METRICS, {
      metadata: { name: pod, namespace: "team-a" },
      timestamp: timestamp.toISOString(),
      containers: [{ name: "main", usage: { cpu: "1m", memory: `${mebibytes * 1024}Ki` } }],
    });
  }

  /** Creates a pod with a memory limit of 100 MiB. */
  function limited(name: string, nodeName = "n1"): void {
    cluster.pod(name, {
      spec: {
        nodeName,
        containers: [{ name: "main", image: "app", resources: { limits: { memory: "100Mi" } } }],
      },
      status: {
        containerStatuses: [{ name: "main", state: { running: { startedAt: "2026-11-27T11:00:00Z" } } }],
      },
    });
  }

  const watches = async () =>
    (await cluster.api.send("GET", WATCHES)) as {
      items: {
        spec: { nodeName: string; watches: { podUID: string; thresholds: object[] }[] };
        status?: { crossings?: object[] };
      }[];
    };
  const conditions = (name: string) => {
    const { status } = cluster.api.get(`${IN_A}/checkpointpolicies/${name}`) as unknown as {
      status: { conditions: { type: string; status: string; reason: string; message: string }[] };
    };
    return status.conditions.filter((one) => one.status === "True");
  };

  test("checkpoints a pod when the metrics cross the threshold, once for each crossing, across leaders", async () => {
    cluster.policy("full", { trigger: { memory: { percent: 80, forSeconds: 30 } } });
    limited("a");
    limited("b", "n2");
    for (const pod of ["a", "b"]) measure(pod, 50);
    const stop = cluster.start();
    await seconds(60);
    expect((await watches()).items).toMatchObject([
      {
        spec: {
          nodeName: "n1",
          watches: [{ thresholds: [{ containers: ["main"], fireBytes: 80 * MIB, rearmBytes: 72 * MIB }] }],
        },
      },
      { spec: { nodeName: "n2" } },
    ]);
    expect(await cluster.created()).toEqual([]);
    measure("a", 81);
    // One value, although it is read four times.
    await seconds(60);
    expect(await cluster.created()).toEqual([]);
    measure("a", 81);
    await seconds(20);
    expect((await cluster.created()).map(({ spec }) => spec.podRef.name)).toEqual(["a"]);
    // Another leader continues from the status, while the memory stays, falls a little and rises.
    stop();
    await seconds(5);
    cluster.start();
    for (const mebibytes of [90, 75, 95, 85]) {
      measure("a", mebibytes);
      await seconds(60);
    }
    expect(await cluster.created()).toHaveLength(1);
    await cluster.finish();
    measure("a", 60);
    await seconds(30);
    measure("a", 85);
    await seconds(40);
    measure("a", 85);
    await seconds(20);
    expect(await cluster.created()).toHaveLength(2);
  });

  test("a value that was measured before the container started does not count", async () => {
    cluster.policy("full", { trigger: { memory: { bytes: "50Mi" } } });
    limited("a");
    measure("a", 90, new Date("2026-11-27T10:59:00Z"));
    cluster.start();
    await seconds(60);
    expect(await cluster.created()).toEqual([]);
    measure("a", 90);
    await seconds(20);
    expect(await cluster.created()).toHaveLength(1);
  });

  test("a cluster without a metrics server fails the policy, with the reason, until there is one", async () => {
    const send = cluster.api.send.bind(cluster.api);
    let isMissing = true;
    cluster.api.send = (method, path, ...more) =>
      isMissing && path.startsWith("/apis/metrics.k8s.io")
        ? Promise.reject(new Error("404 the server could not find the requested resource"))
        : send(method, path, ...more);
    cluster.policy("full", { trigger: { memory: { percent: 80 } } });
    cluster.policy("other", { trigger: { startup: {} } });
    limited("a");
    measure("a", 90);
    cluster.start();
    await seconds(40);
    expect(conditions("full")).toMatchObject([
      { type: "Failed", reason: "ReadingsFailed", message: expect.stringContaining("metrics.k8s.io: 404") },
      { type: "Stalled" },
    ]);
    expect(conditions("other")).toMatchObject([{ type: "Ready", reason: "Scheduled" }]);
    isMissing = false;
    await seconds(40);
    expect(conditions("full")).toMatchObject([{ type: "Ready", reason: "Scheduled" }]);
    expect(await cluster.created()).toHaveLength(1);
  });

  test("the status names a pod that has no limit, and the objects of nodes without watched pods are deleted", async () => {
    cluster.policy("full", { trigger: { memory: { percent: 80 } } });
    limited("a");
    cluster.pod("free", {});
    cluster.start();
    await seconds(30);
    expect(conditions("full")).toMatchObject([
      {
        type: "Ready",
        message:
          "pods that match are checkpointed when they are due; never due for 1 of them, such as pod team-a/free: percent has no effect: container main without a memory limit; set bytes, or resources.limits.memory",
      },
    ]);
    expect((await watches()).items).toHaveLength(1);
    cluster.api.remove("/api/v1/namespaces/team-a/pods/a");
    await seconds(30);
    expect((await watches()).items).toEqual([]);
  });

  test("the status names a node whose agent does not report", async () => {
    cluster = new PolicyCluster({ settings: { maxInFlight: 50, memory: MEMORY } });
    cluster.policy("full", { trigger: { memory: { percent: 80 } } });
    for (const node of ["n1", "n2"]) limited(node, node);
    cluster.start();
    await seconds(30);
    expect(conditions("full")[0]?.message).toBe("pods that match are checkpointed when they are due");
    await seconds(90);
    expect(conditions("full")[0]?.message).toMatch(
      /no readings of 2 nodes: n[12]: its agent has not reported$/,
    );
    for (const node of ["n1", "n2"])
      cluster.api.edit(`${WATCHES}/${node}`, (object) => {
        object["status"] = { observedGeneration: 1 };
      });
    await seconds(60);
    expect(conditions("full")[0]?.message).toBe("pods that match are checkpointed when they are due");
    expect(await cluster.created()).toEqual([]);
  });
});
