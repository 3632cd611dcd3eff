/** Reads and conditions before each deletion. */
import {
  executeRetention,
  type Deletion,
  type RetentionCluster,
} from "../../../../../controller/policies/retention/execute";
import type { RetainedCheckpoint } from "../../../../../controller/policies/retention/facts";
import { ApiError } from "../../../../../kube";
import { aged, checkpoint, NOW } from "./support";

const [OLD, GOOD, PROVEN] = [
  checkpoint("old"),
  checkpoint("good"),
  checkpoint("proven", { restore: { state: "Restored", timeMs: NOW } }),
];

const deletion = (one: RetainedCheckpoint, reliesOn: readonly RetainedCheckpoint[] = []): Deletion => ({
  is: "delete",
  checkpoint: one,
  reason: "OlderThan",
  message: "",
  reliesOn: () => reliesOn,
});

/** A cluster that has exactly what is planned, and records what is done. */
function clusterOf(plan: readonly Deletion[], more: Partial<RetentionCluster> = {}) {
  const steps: string[] = [];
  const nameOf = ({ key }: RetainedCheckpoint) => key.slice("team-a/".length);
  const cluster: RetentionCluster = {
    plan: async (deleted) => {
      steps.push(`plan without ${deleted.size}`);
      return plan.filter((one) => !deleted.has(one.checkpoint.uid));
    },
    isCurrent: () => true,
    pause: async () => void steps.push("pause"),
    read: async (one) => {
      steps.push(`read ${nameOf(one)}`);
      return one;
    },
    hasPods: async (one) => {
      steps.push(`pods of ${nameOf(one)}`);
      return false;
    },
    delete: async (one) => {
      steps.push(`delete ${nameOf(one.checkpoint)}`);
      return true;
    },
    rejected: () => false,
    ...more,
  };
  return { cluster, steps };
}

test("reads all that a deletion relies on, and the pods of the Checkpoint, before the deletion", async () => {
  const { cluster, steps } = clusterOf([deletion(OLD, [GOOD, PROVEN])]);
  expect(await executeRetention(cluster)).toBe(1);
  expect(steps).toEqual([
    "plan without 0",
    "pause",
    "read good",
    "read proven",
    "pods of old",
    "delete old",
    "plan without 1",
  ]);
});

test.each<[string, RetainedCheckpoint | undefined]>([
  ["was deleted", undefined],
  ["was deleted and created again", { ...GOOD, uid: "other" }],
  ["is being deleted", { ...GOOD, isDeleted: true }],
  ["has no artifact any more", { ...GOOD, state: "failed" }],
  ["could not be restored", { ...GOOD, restore: { state: "Failed", timeMs: NOW } }],
])("deletes nothing if what justifies it %s", async (_, now) => {
  for (const others of [
    [GOOD, PROVEN],
    [PROVEN, GOOD],
  ]) {
    const { cluster, steps } = clusterOf([deletion(OLD, others)], {
      read: async (one) => (one === GOOD ? now : one),
    });
    expect(await executeRetention(cluster)).toBe(0);
    expect(steps).not.toContain("delete old");
  }
});

test.each<[string, Partial<RetainedCheckpoint>]>([
  ["was restored again, which failed", { restore: { state: "Failed", timeMs: NOW } }],
  ["is claimed again", { restore: { state: "Claimed", timeMs: NOW } }],
  ["has no artifact any more", { state: "failed" }],
])("deletes nothing if the proven one that justifies it %s", async (_, change) => {
  const { cluster, steps } = clusterOf([deletion(OLD, [PROVEN])], {
    read: async (one) => ({ ...one, ...change }),
  });
  expect(await executeRetention(cluster)).toBe(0);
  expect(steps).not.toContain("delete old");
});

test("a Checkpoint whose verification failed meanwhile is not proven", async () => {
  const verified = checkpoint("verified", { isVerified: true });
  const { isVerified: _, ...unproven } = verified;
  const { cluster } = clusterOf([deletion(OLD, [verified])], { read: async () => unproven });
  expect(await executeRetention(cluster)).toBe(0);
});

test("a newest one that was not good when it was decided need not become good, and must still exist", async () => {
  const failed = checkpoint("failed", { restore: { state: "Failed", timeMs: NOW } });
  const deleted = async (now: RetainedCheckpoint | undefined) =>
    executeRetention(clusterOf([deletion(OLD, [failed])], { read: async () => now }).cluster);
  expect(await deleted(failed)).toBe(1);
  expect(await deleted(undefined)).toBe(0);
  expect(await deleted({ ...failed, uid: "other" })).toBe(0);
  expect(await deleted({ ...failed, isDeleted: true })).toBe(0);
});

test("deletes nothing of which a pod is restored", async () => {
  const { cluster, steps } = clusterOf([deletion(OLD)], { hasPods: async ({ uid }) => uid === OLD.uid });
  expect(await executeRetention(cluster)).toBe(0);
  expect(steps).toEqual(["plan without 0", "pause", "plan without 0"]);
});

test("a policy that is no longer current sends no request, also after the pause", async () => {
  let isCurrent = true;
  const { cluster, steps } = clusterOf([deletion(OLD, [GOOD])], {
    isCurrent: () => isCurrent,
    pause: async () => void (isCurrent = false),
  });
  expect(await executeRetention(cluster)).toBe(0);
  expect(steps).toEqual(["plan without 0"]);
});

test("a policy that changes during the reads deletes nothing", async () => {
  let isCurrent = true;
  const { cluster, steps } = clusterOf([deletion(OLD, [GOOD])], {
    isCurrent: () => isCurrent,
    hasPods: async () => {
      isCurrent = false;
      return false;
    },
  });
  expect(await executeRetention(cluster)).toBe(0);
  expect(steps).not.toContain("delete old");
});

test("decides again after 50 deletions, without those, and tries each once", async () => {
  const plan = aged(Array.from({ length: 70 }, (_, index) => 100 - index)).map((one) => deletion(one));
  const kept = new Set(["delete d99", "delete d40"]);
  const { cluster, steps } = clusterOf(plan);
  const remove = cluster.delete.bind(cluster);
  cluster.delete = async (one) => {
    await remove(one);
    return !kept.has(steps.at(-1) ?? "");
  };
  expect(await executeRetention(cluster)).toBe(68);
  expect(steps.filter((step) => step.startsWith("plan"))).toEqual([
    "plan without 0",
    "plan without 49",
    "plan without 68",
  ]);
  const deletions = steps.filter((step) => step.startsWith("delete"));
  expect(new Set(deletions).size).toBe(70);
  expect(deletions).toHaveLength(70);
});

test("ends after 10 rejected deletions, and at any other error", async () => {
  const plan = aged(Array.from({ length: 30 }, (_, index) => 100 - index)).map((one) => deletion(one));
  let status = 403;
  const { cluster, steps } = clusterOf(plan, {
    delete: async (one) => {
      steps.push(`delete ${one.checkpoint.uid}`);
      throw new ApiError(status, "no");
    },
    rejected: (_, error) => (error as ApiError).status === 403,
  });
  expect(await executeRetention(cluster)).toBe(0);
  const count = () => steps.filter((step) => step.startsWith("delete")).length;
  expect(count()).toBe(10);
  status = 503;
  await expect(executeRetention(cluster)).rejects.toThrow("no");
  expect(count()).toBe(11);
});
