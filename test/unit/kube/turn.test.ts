/** Work of queues between two turns of the event loop, counted. */
import { runWorkers, WorkQueue } from "../../../kube/controller/queue";
import { StoreWriter } from "../../../kube/cache/store";
import {
  atOnce,
  Cache,
  controller,
  each,
  metadataOf,
  Metrics,
  sorted,
  Store,
  Turn,
  type Kind,
  type KubernetesObject,
} from "../../../kube";
import { FakeApi } from "../../../testbed/fake-api";
import { Random, SEED } from "../../../testbed/random";
import { logInto } from "../../support/controller-runtime";

/** Counts steps between turns of the event loop. @returns the largest number so far */
function counter() {
  let [now, most, ended] = [0, 0, false];
  const reset = () => {
    now = 0;
    if (!ended) setImmediate(reset);
  };
  setImmediate(reset);
  return {
    step: () => void (most = Math.max(most, ++now)),
    end: () => {
      ended = true;
      return most;
    },
  };
}

test.each([1, 4])(
  "%d workers reconcile few of 10,000 keys that need no request in one turn",
  async (workers) => {
    const log = logInto([]);
    const metrics = new Metrics();
    const queue = new WorkQueue({ name: "test", metrics });
    const stop = new AbortController();
    const turns = counter();
    let left = 10_000;
    for (let index = 0; index < left; index++) queue.add(`tenant/${index}`);
    await runWorkers({
      name: "test",
      queue,
      workers,
      signal: stop.signal,
      log,
      metrics: metrics.controller("test", workers),
      reconcile: async () => {
        turns.step();
        if (--left === 0) stop.abort();
      },
    });
    expect(left).toBe(0);
    expect(turns.end()).toBeLessThanOrEqual(50 + workers);
  },
);

const KIND: Kind<KubernetesObject> = {
  apiVersion: "v1",
  kind: "Pod",
  plural: "pods",
  project: (raw) => ({ metadata: metadataOf(raw) }),
};
const pod = (index: number, version = "1") => ({
  metadata: { name: `p-${index}`, namespace: "tenant", uid: `u-${index}`, resourceVersion: version },
});

test("a list of 10,000 objects is stored in turns, also what it adds, changes and deletes", async () => {
  const store = new Store<KubernetesObject>();
  const writer = new StoreWriter(store, KIND.project, logInto([]));
  const items = (from: number, version?: string) =>
    Array.from({ length: 10_000 }, (_, index) => writer.item(pod(from + index, version)));
  const turns = counter();
  store.onChange(turns.step);
  await writer.replace({ items: items(0), resourceVersion: "1" });
  await writer.replace({ items: items(5_000, "2"), resourceVersion: "2" });
  expect(store.list().map(({ metadata }) => metadata.name)).toEqual(
    items(5_000).map(({ object }) => object?.metadata.name),
  );
  expect(turns.end()).toBeLessThanOrEqual(101);
});

test("objects that exist when a controller starts are enqueued in turns", async () => {
  const log = logInto([]);
  const api = new FakeApi();
  const [count, stop] = [10_000, new AbortController()];
  for (let index = 0; index < count; index++) api.put("/api/v1/pods", pod(index));
  const cache = new Cache({ transport: api, log });
  const pods = cache.objects(KIND);
  const cached = cache.run(stop.signal);
  await pods.synced;
  const seen = new Set<string>();
  const builder = controller("test", { log, metrics: new Metrics() }).for(pods);
  const turns = counter();
  const add = builder.queue.add.bind(builder.queue);
  builder.queue.add = (key) => {
    turns.step();
    add(key);
  };
  await builder
    .reconcile(async (key) => void (seen.add(key).size === count && stop.abort()))
    .lead(stop.signal);
  await cached;
  expect(seen.size).toBe(count);
  expect(turns.end()).toBeLessThanOrEqual(501);
}, 60_000);

test("divided work has the same result in one turn and in several, and other events are handled between its steps", async () => {
  const items = Array.from({ length: 10_000 }, (_, index) => index);
  const turns = counter();
  function* sum() {
    let total = 0;
    yield* each(items, (item) => {
      turns.step();
      total += item;
    });
    return total;
  }
  const inTurns = await new Turn(1).do(sum());
  expect(turns.end()).toBeLessThanOrEqual(500);
  expect([inTurns, atOnce(sum())]).toEqual([49_995_000, 49_995_000]);
});

test.each([0, 1, 499, 500, 501, 1000, 1001, 7777])("sorts %d items as toSorted, also equal ones", (count) => {
  const random = new Random(SEED);
  const items = Array.from({ length: count }, (_, index) => ({
    key: Math.floor(random.between(0, 20)),
    index,
  }));
  const compare = (a: { readonly key: number }, b: { readonly key: number }) => a.key - b.key;
  expect(atOnce(sorted(items, compare))).toEqual(items.toSorted(compare));
});

test("sorts in steps of a bounded number of comparisons", async () => {
  const items = Array.from({ length: 20_000 }, (_, index) => (index * 7919) % 20_000);
  const turns = counter();
  await new Turn(1).do(
    sorted(items, (a, b) => {
      turns.step();
      return a - b;
    }),
  );
  // Of 500 items: 500 * log2(500).
  expect(turns.end()).toBeLessThanOrEqual(5000);
});
