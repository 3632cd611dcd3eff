/** What a run reads of the API server, and what its decisions read of the caches. */
import { projectCheckpoint, type CheckpointObject } from "../../../../../controller/checkpoints/objects";
import { FILTERS } from "../../../../../controller/policies/filters";
import {
  JOB,
  POLICY_POD,
  type PodObject,
  type WorkloadObject,
} from "../../../../../controller/policies/objects";
import { Retention, type RetentionCaches } from "../../../../../controller/policies/retention";
import { NotLeaderError, Store, type Denial, type KubernetesObject } from "../../../../../kube";
import { IN_A, RetentionCluster, seconds, WEEK } from "./cluster";
import { DAY, NOW } from "./support";

describe("before a deletion", () => {
  let cluster: RetentionCluster;
  beforeEach(() => void (cluster = new RetentionCluster()));
  afterEach(() => cluster.end());

  /** Runs the policy once. @returns the requests of the run */
  async function run() {
    cluster.policy(WEEK);
    cluster.start();
    await seconds(598);
    const from = cluster.api.log.length;
    await seconds(62);
    return cluster.api.log
      .slice(from)
      .filter(({ method, path }) => method !== "WATCH" && /\/team-a\/(pods|checkpoints)\b/.test(path));
  }

  function pod(name: string, labels: object, phase = "Running"): void {
    cluster.put("/api/v1/namespaces/team-a/pods", {
      metadata: { name, namespace: "team-a", labels },
      spec: { containers: [] },
      status: { phase },
    });
  }

  test("reads the newer Checkpoint and the pods that are restored from this one, and deletes only this version of it", async () => {
    const { uid, resourceVersion } = cluster.checkpoint("d30", 30).metadata;
    cluster.checkpoint("d1", 1);
    const requests = await run();
    expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `GET ${IN_A}/checkpoints/d1`,
      "GET /api/v1/namespaces/team-a/pods",
      `DELETE ${IN_A}/checkpoints/d30`,
    ]);
    expect(requests[1]?.query).toMatchObject({ labelSelector: `cedana.ai/restored-from=${uid}` });
    expect(requests[2]?.body?.content).toMatchObject({ preconditions: { uid, resourceVersion } });
  });

  test("the decision after 50 deletions does not count these, which a late cache may still have", async () => {
    for (let index = 0; index < 60; index++) cluster.checkpoint(`d${10 + index}`, 10 + index);
    const plan = jest.spyOn(Retention.prototype, "plan");
    await run();
    const gone = plan.mock.calls.flatMap(([, , , deleted]) => (deleted ? [deleted.size] : []));
    plan.mockRestore();
    // The set grows while the run deletes.
    expect(gone.length).toBe(3);
    expect(new Set(gone)).toEqual(new Set([59]));
  });

  test("pods of other Checkpoints, and those that have ended, are no reason to keep it", async () => {
    const { uid } = cluster.checkpoint("d30", 30).metadata;
    cluster.checkpoint("d1", 1);
    pod("other", { "cedana.ai/restored-from": "other" });
    pod("succeeded", { "cedana.ai/restored-from": uid }, "Succeeded");
    pod("failed", { "cedana.ai/restored-from": uid }, "Failed");
    await run();
    expect(await cluster.names()).toEqual(["d1"]);
  });

  test("a Checkpoint that changes just before is neither deleted nor counted as a failure", async () => {
    for (const days of [30, 20, 1]) cluster.checkpoint(`d${days}`, days);
    cluster.before = (method, path) => {
      if (method !== "DELETE" || !path.endsWith("d30")) return;
      cluster.before = undefined;
      cluster.api.edit(`${IN_A}/checkpoints/d30`, ({ metadata }) => void (metadata["labels"] = {}));
    };
    await run();
    expect(await cluster.names()).toEqual(["d1", "d30"]);
    expect(cluster.events.map(({ reason, note }) => `${reason}: ${note}`)).toEqual([
      "CheckpointsDeleted: deleted Checkpoints: 1 OlderThan",
    ]);
    expect(cluster.statusOf()).toMatchObject({ retention: { deleted: 1 } });
    expect(cluster.statusOf()).not.toHaveProperty("lastFailures");
    expect(await cluster.metrics.registry.metrics()).toContain(
      'cedana_policy_checkpoints_deleted_total{reason="OlderThan"} 1',
    );
  });

  test("a Checkpoint that a pod template names stays, and one of the same name in another namespace does not count", async () => {
    for (const days of [30, 20, 1]) cluster.checkpoint(`d${days}`, days);
    const named = (namespace: string, from: string) =>
      cluster.put(`/apis/apps/v1/namespaces/${namespace}/statefulsets`, {
        metadata: { name: "web", namespace },
        spec: { template: { metadata: { annotations: { "cedana.ai/restore-from": from } } } },
      });
    named("team-a", "d30");
    named("team-b", "d20");
    await run();
    expect(await cluster.names()).toEqual(["d1", "d30"]);
  });

  test("the last good Checkpoint of a Job stays while the Job exists", async () => {
    const owner = (uid: string) => ({ owner: { apiVersion: "batch/v1", kind: "Job", name: uid, uid } });
    const { uid } = cluster.put("/apis/batch/v1/namespaces/team-a/jobs", {
      metadata: { name: "train", namespace: "team-a" },
    }).metadata;
    cluster.checkpoint("exists", 30, { status: owner(uid) });
    cluster.checkpoint("deleted", 30, { status: owner("j") });
    await run();
    expect(await cluster.names()).toEqual(["exists"]);
  });

  test("a Checkpoint without an artifact is not the last good one", async () => {
    cluster.checkpoint("d30", 30);
    cluster.checkpoint("d20", 20);
    cluster.checkpoint("d1", 1, {
      status: {
        conditions: [
          { type: "Ready", status: "False", reason: "ImageNotFound", message: "" },
          { type: "Progressing", status: "False", reason: "ImageNotFound", message: "" },
        ],
      },
    });
    await run();
    expect(await cluster.names()).toEqual(["d1", "d20"]);
  });
});

describe("a decision", () => {
  interface Given {
    readonly checkpoints?: readonly CheckpointObject[];
    readonly pods?: readonly PodObject[];
    readonly jobs?: readonly WorkloadObject[];
    /** Caches that the API server denies. */
    readonly denied?: keyof RetentionCaches;
  }

  function cached(objects: readonly KubernetesObject[], isDenied: boolean) {
    const store = new Store<KubernetesObject>();
    for (const one of objects) store.set(one);
    const denial = { message: "it is forbidden" } as Denial;
    return Object.assign(store, {
      covers: () => !isDenied,
      deniedIn: () => (isDenied ? denial : undefined),
    }) as never;
  }

  const requests: string[] = [];
  const retentionOf = ({ checkpoints = [], pods = [], jobs = [], denied }: Given) => {
    requests.length = 0;
    const request = (kind: string) => async () => void requests.push(kind) as never;
    return new Retention({
      caches: {
        checkpoints: cached(checkpoints, denied === "checkpoints"),
        pods: cached(pods, denied === "pods"),
        namespaces: cached([], false),
        workloads: [cached([], denied === "workloads"), cached(jobs, denied === "jobs")],
        jobs: cached(jobs, denied === "jobs"),
      },
      filters: FILTERS,
      client: { get: request("get"), list: request("list"), delete: request("delete") },
      isCurrent: () => true,
      deleted: () => undefined,
      failed: () => undefined,
      ended: () => undefined,
    });
  };
  const policy = (namespace?: string) =>
    ({ uid: "r", ...(namespace && { namespace }), spec: { trigger: {}, action: {} } }) as never;
  const old = (name: string, more: { spec?: object; status?: object; metadata?: object } = {}) =>
    projectCheckpoint({
      metadata: {
        name,
        namespace: "team-a",
        uid: `uid-${name}`,
        resourceVersion: "1",
        labels: { "cedana.ai/policy": "nightly", "cedana.ai/policy-uid": "u" },
        ...more.metadata,
      },
      spec: { podRef: { name: "web-0" }, ...more.spec },
      status: {
        completionTime: new Date(NOW - 30 * DAY).toISOString(),
        conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: "" }],
        ...more.status,
      },
    });
  const decide = async (given: Given, namespace?: string) => {
    const entries = await retentionOf(given).plan(policy(namespace), WEEK, NOW);
    return Object.fromEntries(entries.map(({ checkpoint, reason }) => [checkpoint.key.slice(7), reason]));
  };
  /** Two Checkpoints of one pod, of which the first exceeds the limit by name. */
  const PAIR = [old("a"), old("b")];

  test.each<keyof RetentionCaches>(["checkpoints", "pods", "workloads", "jobs"])(
    "is not known while the API server denies %s",
    async (denied) => {
      expect(await decide({ checkpoints: PAIR })).toEqual({ a: "LastGood", b: "OlderThan" });
      expect(await decide({ checkpoints: PAIR, denied })).toEqual({ a: "NotKnown", b: "NotKnown" });
      const [entry] = await retentionOf({ checkpoints: PAIR, denied }).plan(policy(), WEEK, NOW);
      expect(entry?.message).toBe("its namespace is not known: it is forbidden");
    },
  );

  test.each([["of one namespace", "team-a"] as const, ["of all", undefined] as const])(
    "%s knows the pods that are restored from a Checkpoint",
    async (_, namespace) => {
      const pod = (phase: string) =>
        POLICY_POD.project({
          metadata: {
            name: "web-1",
            namespace: "team-a",
            uid: "p",
            resourceVersion: "1",
            labels: { "cedana.ai/restored-from": "uid-b" },
          },
          spec: { containers: [] },
          status: { phase },
        });
      const reason = async (phase: string) =>
        (await decide({ checkpoints: PAIR, pods: [pod(phase)] }, namespace))["b"];
      expect(await reason("Running")).toBe("InUse");
      expect(await reason("Pending")).toBe("InUse");
      expect([await reason("Succeeded"), await reason("Failed")]).toEqual(["OlderThan", "OlderThan"]);
    },
  );

  test.each<[string, Parameters<typeof old>[1], string]>([
    ["is pinned", { spec: { pinned: true } }, "Pinned"],
    ["is not pinned", { spec: { pinned: false } }, "OlderThan"],
    ["is being deleted", { metadata: { deletionTimestamp: "2026-11-28T00:00:00Z" } }, "Deleting"],
    [
      "belongs to a Cedana",
      {
        metadata: {
          ownerReferences: [{ apiVersion: "core.cedana.ai/v1", kind: "Cedana", name: "demo", uid: "c" }],
        },
      },
      "OwnedByCedana",
    ],
    ["is claimed", { status: { restore: { state: "Claimed", time: "2026-11-28T00:00:00Z" } } }, "InUse"],
    ["has no time", { status: { completionTime: undefined } }, "NotKnown"],
    ["has a time that cannot be read", { status: { completionTime: "yesterday" } }, "NotKnown"],
    ["has not ended", { status: { conditions: [] } }, "NotEnded"],
    [
      "has a missing pod, at a time that cannot be read",
      { status: { restore: { state: "PodMissing", time: "yesterday" } } },
      "InUse",
    ],
  ])("about a Checkpoint that %s", async (_, more, reason) => {
    expect((await decide({ checkpoints: [old("a"), old("b", more)] }))["b"]).toBe(reason);
  });

  test("about a Checkpoint without an artifact uses its age, as for a failed one", async () => {
    const conditions = [{ type: "Ready", status: "False", reason: "ImageNotFound", message: "" }];
    expect(await decide({ checkpoints: [old("a", { status: { conditions } }), old("b")] })).toEqual({
      a: "OlderThan",
      b: "LastGood",
    });
  });

  test("about the failures of a pod that exists, also if only the spec has its UID", async () => {
    const failed = {
      spec: { podRef: { name: "web-0", uid: "p" } },
      status: { conditions: [{ type: "Failed", status: "True", reason: "CheckpointFailed", message: "" }] },
    };
    const pod = POLICY_POD.project({
      metadata: { name: "web-0", namespace: "team-a", uid: "p", resourceVersion: "1" },
      spec: { containers: [] },
    });
    const checkpoints = [old("a", failed)];
    expect(await decide({ checkpoints, pods: [pod] })).toEqual({ a: "RecentFailure" });
    expect(await decide({ checkpoints })).toEqual({ a: "OlderThan" });
  });

  test("about the pods of a DaemonSet: those of each node are a workload", async () => {
    const on = (name: string, nodeName: string) => {
      const owner = { apiVersion: "apps/v1", kind: "DaemonSet", name: "agent", uid: "d" };
      return old(name, { spec: { podRef: { name: `agent-${name}` } }, status: { owner, nodeName } });
    };
    const checkpoints = [on("a", "n1"), on("b", "n1"), on("c", "n2")];
    expect(await decide({ checkpoints })).toEqual({ a: "LastGood", b: "OlderThan", c: "LastGood" });
  });

  test("about the pods of a Deployment: as many last good ones stay as it has pods, and all while one is being deleted", async () => {
    const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-6c", uid: "r" };
    const of = (name: string) =>
      old(name, { status: { owner, podTemplateHash: "6c", podUID: `pod-of-${name}` } });
    const pod = (more: object = {}) =>
      POLICY_POD.project({
        metadata: {
          name: "web-6c-x",
          namespace: "team-a",
          uid: "p",
          resourceVersion: "1",
          creationTimestamp: new Date(NOW - DAY).toISOString(),
          labels: { "pod-template-hash": "6c" },
          ownerReferences: [{ ...owner, controller: true }],
          ...more,
        },
        spec: { containers: [] },
        status: { phase: "Running" },
      });
    const checkpoints = [of("a"), of("b"), of("c")];
    const all = { a: "LastGood", b: "LastGood", c: "LastGood" };
    expect(await decide({ checkpoints, pods: [pod()] })).toEqual({ ...all, b: "OlderThan", c: "OlderThan" });
    const deleted = pod({ uid: "q", deletionTimestamp: "2026-11-28T00:00:00Z" });
    expect(await decide({ checkpoints, pods: [pod(), deleted] })).toEqual(all);
    expect(await decide({ checkpoints })).toEqual(all);
  });

  test("about the Checkpoints of a Job that exists, and of one that was deleted", async () => {
    const ofJob = (uid: string) =>
      old(uid, { status: { owner: { apiVersion: "batch/v1", kind: "Job", name: "train", uid } } });
    const job = JOB.project({
      metadata: { name: "train", namespace: "team-a", uid: "exists", resourceVersion: "1" },
    });
    expect(await decide({ checkpoints: [ofJob("exists"), ofJob("deleted")], jobs: [job] })).toEqual({
      exists: "LastGood",
      deleted: "OlderThan",
    });
  });

  test("does not count what was deleted, although the cache still has it", async () => {
    const retention = retentionOf({ checkpoints: PAIR });
    const entries = await retention.plan(policy(), WEEK, NOW, new Set(["uid-a"]));
    expect(entries.map(({ checkpoint: { key }, reason }) => `${key} ${reason}`)).toEqual([
      "team-a/b LastGood",
    ]);
  });

  test("deletes nothing once the process does not lead", async () => {
    const retention = retentionOf({ checkpoints: PAIR });
    const stopped = AbortSignal.abort();
    await expect(retention.run(policy(), WEEK, stopped)).rejects.toThrow(NotLeaderError);
    expect(requests).toEqual([]);
  });
});
