/** What `policy test` shows of a policy that deletes Checkpoints. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listPods } from "../../../../cli/policy/read";
import { ApiError } from "../../../../kube";
import { FakeApi } from "../../../../testbed/fake-api";
import { runCli } from "../../../support/cli";
import { clientOn } from "../../../support/controller-runtime";

const NOW = Date.parse("2026-11-27T12:00:00Z");
const GROUP = "/apis/automation.cedana.ai/v1alpha1";
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "policy-test-"));
  jest.useFakeTimers({ now: NOW, doNotFake: ["nextTick", "setImmediate"] });
});
afterEach(() => {
  jest.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

/** Returns a completed Checkpoint of the StatefulSet `web` that ended some days ago. */
function checkpoint(name: string, days: number, spec: object = {}, namespace = "team-a") {
  const time = new Date(NOW - days * 86_400_000).toISOString();
  return {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "Checkpoint",
    metadata: {
      name,
      namespace,
      uid: `uid-${namespace}-${name}`,
      labels: { "cedana.ai/policy": "nightly", "cedana.ai/policy-uid": "u" },
    },
    spec: { podRef: { name: "web-0" }, ...spec },
    status: {
      podUID: "p",
      owner: { apiVersion: "apps/v1", kind: "StatefulSet", name: "web", uid: "s" },
      completionTime: time,
      sizeBytes: 100,
      conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: "" }],
    },
  };
}

const WEB_0 = {
  kind: "Pod",
  metadata: { name: "web-0", namespace: "team-a", labels: { "cedana.ai/restored-from": "uid-team-a-d30" } },
  spec: { containers: [{ name: "main" }] },
  status: { phase: "Running" },
};
const WARM = {
  kind: "StatefulSet",
  metadata: { name: "warm", namespace: "team-a" },
  spec: { template: { metadata: { annotations: { "cedana.ai/restore-from": "d20" } } } },
};

const policy = (deleteCheckpoints: object, more: object = {}) =>
  JSON.stringify({
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "CheckpointPolicy",
    metadata: { name: "retention", namespace: "team-a" },
    spec: {
      trigger: { heartbeat: { intervalSeconds: 86_400, jitterSeconds: 0 } },
      action: { deleteCheckpoints },
      ...more,
    },
  });
const WEEK = { olderThanSeconds: 604_800 };

async function run(given: string, objects: readonly object[], ...args: readonly string[]) {
  writeFileSync(join(folder, "policy.json"), given);
  writeFileSync(join(folder, "objects.json"), JSON.stringify({ kind: "List", items: objects }));
  return runCli(["policy", "test", "-f", "policy.json", "--pods", "objects.json", ...args], { folder });
}

test("shows what the next run would delete, and why the other Checkpoints stay", async () => {
  const objects = [
    checkpoint("d30", 30),
    checkpoint("d20", 20),
    checkpoint("d15", 15),
    checkpoint("d10", 10, { pinned: true }),
    checkpoint("d1", 1),
    checkpoint("d30", 30, {}, "team-b"),
    WEB_0,
    WARM,
  ];
  const { status, stdout, stderr } = await run(policy(WEEK), objects);
  expect(stderr).toBe("");
  expect(stdout).toBe(`CheckpointPolicy team-a/retention would delete 1 of 5 Checkpoints, 100 of 500 bytes
  due     2026-11-28T00:00:00.000Z, 2026-11-29T00:00:00.000Z, 2026-11-30T00:00:00.000Z, 2026-12-01T00:00:00.000Z, 2026-12-02T00:00:00.000Z
  as of   2026-11-28T00:00:00.000Z, if nothing else changes
  delete  d15  OlderThan: ended 1339200 s ago; olderThanSeconds is 604800
  keep    d30  InUse: pod web-0 is restored from it
  keep    d20  InUse: the pod template of a workload names it
  keep    d10  Pinned: spec.pinned is true
  keep    d1  LastGood: the last good one of its workload, or of a pod that may be restored
  kept    1 Pinned, 2 InUse, 1 LastGood
  note    the file has no ReplicaSet, DaemonSet, Job: what they need would stay too
`);
  expect(status).toBe(0);
});

test("limits the text, and prints all Checkpoints as JSON", async () => {
  const objects = Array.from({ length: 60 }, (_, index) => checkpoint(`c${index}`, 30 - index / 100));
  const kept = Array.from({ length: 30 }, (_, index) => checkpoint(`p${index}`, 5, { pinned: true }));
  const given = policy({ ...WEEK, dryRun: true });
  const { stdout } = await run(given, [...objects, ...kept]);
  expect(stdout).toContain(
    "would delete 60 of 90 Checkpoints, 6000 of 9000 bytes: dryRun is true, so it deletes none\n",
  );
  expect(stdout).toContain("\n  delete  ... and 40 more: --output json has all\n");
  expect(stdout).toContain("\n  keep    ... and 10 more: --output json has all\n");
  expect(stdout.split("\n").length).toBeLessThan(50);
  const { policies } = JSON.parse((await run(given, [...objects, ...kept], "--output", "json")).stdout) as {
    policies: { retention: { next: object[]; remaining: object[] } }[];
  };
  const { next, remaining, ...counts } = policies[0]!.retention;
  expect([next.length, remaining.length]).toEqual([60, 30]);
  expect(next[0]).toEqual({
    namespace: "team-a",
    name: "c0",
    reason: "OlderThan",
    message: "ended 2635200 s ago; olderThanSeconds is 604800",
  });
  expect(counts).toMatchObject({
    at: "2026-11-28T00:00:00.000Z",
    dryRun: true,
    selected: 90,
    totalBytes: 9000,
    toDelete: 60,
    toDeleteBytes: 6000,
    kept: [{ reason: "Pinned", count: 30 }],
  });
});

test("a ClusterCheckpointPolicy selects by the labels of namespaces, and names them", async () => {
  const given = policy(WEEK, { filter: { namespaceSelector: { matchLabels: { tier: "gold" } } } }).replace(
    '"CheckpointPolicy","metadata":{"name":"retention","namespace":"team-a"}',
    '"ClusterCheckpointPolicy","metadata":{"name":"retention"}',
  );
  const { stdout } = await run(given, [
    ...["team-a", "team-b"].flatMap((one) => [checkpoint("d30", 30, {}, one), checkpoint("d1", 1, {}, one)]),
    { kind: "Namespace", metadata: { name: "team-a" } },
    { kind: "Namespace", metadata: { name: "team-b", labels: { tier: "gold" } } },
  ]);
  expect(stdout).toContain(
    "ClusterCheckpointPolicy retention would delete 1 of 2 Checkpoints, 100 of 200 bytes\n",
  );
  expect(stdout).toContain("\n  delete  team-b/d30  OlderThan: ");
  expect(stdout).toContain(
    "\n  note    the file has no Pod, ReplicaSet, StatefulSet, DaemonSet, Job: what they need would stay too\n",
  );
});

test("a file without a Namespace whose labels select Checkpoints is rejected", async () => {
  const given = policy(WEEK, { filter: { namespaceSelector: {} } }).replace(
    '"CheckpointPolicy","metadata":{"name":"retention","namespace":"team-a"}',
    '"ClusterCheckpointPolicy","metadata":{"name":"retention"}',
  );
  const { status, stdout, stderr } = await run(given, [checkpoint("d30", 30)]);
  expect(stderr).toContain(
    "objects.json has no Namespace team-a, whose labels filter.namespaceSelector needs",
  );
  expect([status, stdout]).toEqual([2, ""]);
});

test("keeps the Checkpoints of a Job if the file has no Jobs", async () => {
  const ofJob = (name: string, days: number) => {
    const one = checkpoint(name, days);
    Object.assign(one.status, { owner: { apiVersion: "batch/v1", kind: "Job", name: "train", uid: "j" } });
    return one;
  };
  const objects = [ofJob("d30", 30), checkpoint("d1", 1)];
  expect((await run(policy(WEEK), objects)).stdout).toContain("  keep   d30  LastGood: ");
  const other = { kind: "Job", metadata: { name: "other", namespace: "team-a" } };
  expect((await run(policy(WEEK), [...objects, other])).stdout).toContain("  delete  d30  OlderThan: ");
});

test("only the namespaces of a platform file count", async () => {
  writeFileSync(
    join(folder, "cedana.yaml"),
    `version: 1
engine: { kind: criu, image: { repository: r.example.com/agent, tag: "1" }, repository: r.example.com/checkpoints }
install:
  controller: { image: { repository: r.example.com/controller, tag: "1" } }
  checkpoints: { namespaces: [team-a] }
  policies:
    actions: [checkpoint, deleteCheckpoints]
    clusterCheckpointPolicies:
      - name: all
        trigger: { heartbeat: { cron: "0 3 * * *" } }
        filter: { namespaceSelector: {} }
        action: { deleteCheckpoints: { olderThanSeconds: 604800 } }
`,
  );
  const objects = ["team-a", "team-b"].flatMap((one): object[] => [
    { kind: "Namespace", metadata: { name: one } },
    checkpoint("d30", 30, {}, one),
    checkpoint("d1", 1, {}, one),
  ]);
  writeFileSync(join(folder, "objects.json"), JSON.stringify({ kind: "List", items: objects }));
  const { stdout } = await runCli(["policy", "test", "--pods", "objects.json"], { folder });
  expect(stdout).toContain("ClusterCheckpointPolicy all would delete 1 of 2 Checkpoints");
  expect(stdout).not.toContain("team-b");
});

test.each<[string, readonly object[], string]>([
  [
    "nothing to evaluate",
    [],
    "objects.json: has no pod and no Checkpoint; create it by kubectl get checkpoints,pods,namespaces,replicasets,statefulsets,daemonsets,jobs -A -o yaml",
  ],
  [
    "a Checkpoint without a pod",
    [{ kind: "Checkpoint", metadata: { name: "x", namespace: "team-a" } }],
    "objects.json: has Checkpoints without spec.podRef.name: team-a/x",
  ],
])("rejects a file with %s", async (_, objects, message) => {
  const { status, stdout, stderr } = await run(policy(WEEK), objects);
  expect(stderr).toContain(message);
  expect([status, stdout]).toEqual([2, ""]);
});

test("lists the Checkpoints of a cluster and what protects them, also if the kind is not installed", async () => {
  const api = new FakeApi();
  const put = (path: string, object: object) => api.put(path, object as never);
  put("/api/v1/namespaces/team-a/pods", WEB_0);
  put("/apis/apps/v1/namespaces/team-a/statefulsets", WARM);
  put("/apis/batch/v1/namespaces/team-a/jobs", { metadata: { name: "train", namespace: "team-a" } });
  put(`${GROUP}/namespaces/team-a/checkpoints`, checkpoint("d30", 30));
  put(`${GROUP}/namespaces/team-b/checkpoints`, checkpoint("d20", 20, {}, "team-b"));
  const { retention } = await listPods(clientOn(api), "team-a", true);
  expect(retention).toMatchObject({
    checkpoints: [{ metadata: { name: "d30" } }],
    pods: [{ pod: { labels: { "cedana.ai/restored-from": "uid-team-a-d30" } } }],
    workloads: [{ restoreFrom: "d20" }, { metadata: { name: "train" } }],
    jobs: [{ metadata: { name: "train" } }],
    absent: [],
  });
  expect((await listPods(clientOn(api), undefined, true)).retention?.checkpoints).toHaveLength(2);
  expect((await listPods(clientOn(api), "team-a")).retention).toBeUndefined();

  let status = 404;
  const send = api.send.bind(api);
  api.send = async (...call) => {
    if (call[1].endsWith("/checkpoints")) throw new ApiError(status, "the server could not find it");
    return send(...call);
  };
  expect((await listPods(clientOn(api), "team-a", true)).retention?.checkpoints).toEqual([]);
  status = 403;
  await expect(listPods(clientOn(api), "team-a", true)).rejects.toThrow("could not find it");
});
