import { CEDANA } from "../../../../../api";
import { projectCheckpoint } from "../../../../../controller/checkpoints/objects";
import { POLICY_POD, WORKLOADS } from "../../../../../controller/policies/objects";
import { toRetained } from "../../../../../controller/policies/retention/facts";
import { isProven } from "../../../../../controller/policies/retention/protection";
import { matchWorkload, projectAdmittedPod } from "../../../../../controller/restore/decision/pod";
import { Random, SEED } from "../../../../../testbed/random";

interface Identity {
  readonly kind?: string;
  readonly apiVersion: string;
  readonly owner: string;
  readonly uid: string;
  readonly pod: string;
  readonly hash: string;
}

const KINDS = ["ReplicaSet", "StatefulSet", "Job", "Notebook"];
const API = ["apps/v1", "apps/v1beta1", "example.com/v1"];

function randomIdentity(random: Random): Identity {
  const hash = random.pick(["5f", "6c"]);
  const kind = random.chance(0.2) ? undefined : random.pick(KINDS);
  const name = random.pick(["web", "web-5f", "api"]);
  return {
    ...(kind && { kind }),
    apiVersion: random.pick(API),
    owner: kind === "ReplicaSet" ? `${name}-${hash}` : name,
    uid: random.pick(["u1", "u2"]),
    pod: `${random.pick(["web-0", "web-1", "job-0"])}-${random.pick(["aaaaa", "bbbbb"])}`,
    hash,
  };
}

const ownerOf = ({ kind, apiVersion, owner, uid }: Identity) =>
  kind === undefined ? undefined : { apiVersion, kind, name: owner, uid };

const metadata = (name: string) => ({ namespace: "team-a", name, uid: `uid-${name}`, resourceVersion: "1" });

function checkpointOf(identity: Identity) {
  return projectCheckpoint({
    metadata: { ...metadata("one"), generation: 1, creationTimestamp: "2026-11-28T00:00:00Z" },
    spec: { podRef: { name: identity.pod } },
    status: {
      podUID: "p",
      podTemplateHash: identity.hash,
      ...(identity.kind && { owner: ownerOf(identity)! }),
    },
  });
}

function podOf(identity: Identity) {
  const owner = ownerOf(identity);
  return {
    metadata: {
      ...metadata(identity.pod),
      generateName: identity.pod.slice(0, -5),
      labels: { "pod-template-hash": identity.hash, "controller-revision-hash": identity.hash },
      ...(owner && { ownerReferences: [{ ...owner, controller: true }] }),
    },
  };
}

test("a Checkpoint that `latest` could restore in a pod belongs to the pod's lineage, whatever its template is", () => {
  const random = new Random(SEED);
  const pairs = Array.from({ length: 3000 }, () => [randomIdentity(random), randomIdentity(random)] as const);
  let related = 0;
  const wrong = pairs.filter(([source, target]) => {
    const match = matchWorkload(projectAdmittedPod(podOf(target)), checkpointOf(source));
    const isSame = toRetained(checkpointOf(source)).lineage === toRetained(checkpointOf(target)).lineage;
    if (match !== "none") related++;
    return (match !== "none") !== isSame;
  });
  expect(wrong).toEqual([]);
  expect(related).toBeGreaterThan(50);
});

test("a pod of a Deployment or a Job has the lineage of its Checkpoints", () => {
  const random = new Random(SEED);
  for (let index = 0; index < 2000; index++) {
    const identity = randomIdentity(random);
    const { lineage, isPool } = toRetained(checkpointOf(identity));
    expect(POLICY_POD.project(podOf(identity)).pool).toBe(isPool ? lineage : undefined);
  }
});

test("reads what retention needs of a Checkpoint", () => {
  const one = projectCheckpoint({
    metadata: {
      ...metadata("one"),
      generation: 1,
      creationTimestamp: "2026-11-28T00:00:00Z",
      deletionTimestamp: "2026-11-28T02:00:00Z",
      labels: { "cedana.ai/policy": "nightly", "cedana.ai/policy-uid": "u" },
      ownerReferences: [{ apiVersion: CEDANA.apiVersion, kind: "Cedana", name: "demo", uid: "c" }],
    },
    spec: { podRef: { name: "web-6c-x" }, pinned: true },
    status: {
      podUID: "p",
      podTemplateHash: "6c",
      owner: { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-6c", uid: "r" },
      completionTime: "2026-11-28T01:00:00Z",
      sizeBytes: 7,
      conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted" }],
      restore: { state: "Restored", time: "2026-11-28T01:30:00Z" },
    },
  });
  expect(toRetained(one)).toEqual({
    key: "team-a/one",
    uid: "uid-one",
    resourceVersion: "1",
    pod: {
      namespace: "team-a",
      isKnown: true,
      owner: { kind: "Deployment", name: "web", replicaSet: "web-6c" },
    },
    podName: "web-6c-x",
    lineage: "team-a apps ReplicaSet web",
    isPool: true,
    source: "p",
    state: "completed",
    endedMs: Date.parse("2026-11-28T01:00:00Z"),
    sizeBytes: 7,
    isPinned: true,
    isDeleted: true,
    cedana: "demo",
    policy: "nightly",
    restore: { state: "Restored", timeMs: Date.parse("2026-11-28T01:30:00Z") },
  });
});

test("reads each version of a Checkpoint once", () => {
  const identity = { pod: "web-0", apiVersion: "apps/v1", owner: "web", uid: "s", hash: "6c" };
  const [one, other] = [checkpointOf(identity), checkpointOf(identity)];
  expect(toRetained(one)).toBe(toRetained(one));
  expect(toRetained(other)).not.toBe(toRetained(one));
});

test("a pod template that names a Checkpoint is read, and one that requests the latest is not", () => {
  const restoreFrom = (from: string) =>
    WORKLOADS.map(
      (kind) =>
        kind.project({
          metadata: metadata("web"),
          spec: { template: { metadata: { annotations: { "cedana.ai/restore-from": from } } } },
        }).restoreFrom,
    );
  expect(restoreFrom("warm")).toEqual(["warm", "warm", "warm", "warm"]);
  expect(restoreFrom("latest")).toEqual([undefined, undefined, undefined, undefined]);
});

test.each<[string, "Verified" | "Failed" | "Skipped" | undefined, boolean]>([
  ["that was restored", "Verified", true],
  ["that could not be restored", "Failed", false],
  ["that was not tried", "Skipped", false],
  ["that no policy verified", undefined, false],
])("a verification proves a Checkpoint only with the outcome Verified: one %s", (_, outcome, isProof) => {
  const time = "2026-11-28T01:00:00Z";
  const object = projectCheckpoint({
    metadata: { ...metadata("one"), generation: 1, creationTimestamp: "2026-11-28T00:00:00Z" },
    spec: { podRef: { name: "web-0" } },
    status: {
      completionTime: time,
      conditions: [
        {
          type: "Ready",
          status: "True",
          reason: "CheckpointCompleted",
          message: "",
          lastTransitionTime: time,
        },
      ],
      ...(outcome && { lastVerified: { time, outcome, reason: "Running", message: "it ran" } }),
    },
  });
  expect(isProven(toRetained(object))).toBe(isProof);
});
