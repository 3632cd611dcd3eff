/** Decisions that take several turns of the event loop. */
import { projectCheckpoint, type CheckpointObject } from "../../../../../controller/checkpoints/objects";
import { FILTERS } from "../../../../../controller/policies/filters";
import { Retention } from "../../../../../controller/policies/retention";
import { Store } from "../../../../../kube";
import { DAY, NOW } from "./support";

const COUNT = 3000;
const WEEK = { olderThanSeconds: 7 * 86_400 };

function checkpoint(index: number, namespace = "team-a"): CheckpointObject {
  const time = new Date(NOW - 30 * DAY - index * 1000).toISOString();
  return projectCheckpoint({
    metadata: {
      name: `c${index}`,
      namespace,
      uid: `uid-${namespace}-${index}`,
      resourceVersion: "1",
      creationTimestamp: time,
      labels: { "cedana.ai/policy": "nightly", "cedana.ai/policy-uid": "u" },
    },
    spec: { podRef: { name: "web-0" } },
    status: {
      completionTime: time,
      conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: "" }],
    },
  });
}

/** The caches of a process, which other events change. */
function scene() {
  const checkpoints = new Store<CheckpointObject>();
  for (let index = 0; index < COUNT; index++) checkpoints.set(checkpoint(index));
  const scope = { covers: true };
  const labels = { tier: "gold" };
  const cached = (store: object) =>
    Object.assign(store, { covers: () => scope.covers, deniedIn: () => undefined }) as never;
  let reads = 0;
  const pods = cached(new Store());
  const index = (pods as Store<never>).index.bind(pods);
  (pods as Store<never>).index = (valuesOf) => {
    const found = index(valuesOf);
    return (value) => {
      reads++;
      return found(value);
    };
  };
  const retention = new Retention({
    caches: {
      checkpoints: cached(checkpoints),
      pods,
      namespaces: cached({ get: () => ({ labels: { ...labels } }) }),
      workloads: [],
      jobs: cached(new Store()),
    },
    filters: FILTERS,
    client: {} as never,
    isCurrent: () => true,
    deleted: () => undefined,
    failed: () => undefined,
    ended: () => undefined,
  });
  const filter = { namespaceSelector: { matchLabels: { tier: "gold" } } };
  const policy = { uid: "r", namespace: "team-a", spec: { trigger: {}, action: {}, filter } } as never;
  const decide = () => retention.plan(policy, WEEK, NOW);
  return { checkpoints, scope, labels, decide, reads: () => reads };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a decision uses the state at its start, whatever changes between its turns", async () => {
  const { checkpoints, labels, decide } = scene();
  let ended = false;
  const deciding = decide().finally(() => (ended = true));
  await turn();
  expect(ended).toBe(false);
  for (let index = 0; index < COUNT; index++) checkpoints.delete(`team-a/c${index}`);
  labels.tier = "silver";
  const entries = await deciding;
  expect(entries).toHaveLength(COUNT);
  expect(entries.filter(({ is }) => is === "delete")).toHaveLength(COUNT - 1);
  expect(await decide()).toEqual([]);
});

test("deletes nothing in a namespace that was not known at its start", async () => {
  const { scope, decide } = scene();
  scope.covers = false;
  const deciding = decide();
  await turn();
  scope.covers = true;
  expect(new Set((await deciding).map(({ reason }) => reason))).toEqual(new Set(["NotKnown"]));
});

test("only one decision is in progress at a time, and a later one uses the state at its own start", async () => {
  const { checkpoints, decide, reads } = scene();
  const first = decide();
  const second = decide();
  await turn();
  expect(reads()).toBe(1);
  checkpoints.delete("team-a/c0");
  expect(await first).toHaveLength(COUNT);
  expect(await second).toHaveLength(COUNT - 1);
});

test("a failed decision does not block the next one", async () => {
  const { checkpoints, decide } = scene();
  const { metadata, ...object } = checkpoint(0);
  checkpoints.set({ ...object, metadata: { ...metadata, resourceVersion: "2" }, spec: undefined as never });
  await expect(decide()).rejects.toThrow("podRef");
  checkpoints.delete("team-a/c0");
  expect((await decide()).length).toBeGreaterThan(0);
});
