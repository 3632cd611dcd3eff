import * as fc from "fast-check";
import { Metrics, WorkQueue } from "../../../../kube";
import { assertAsyncProperty } from "../../../support/property";

const pass = (ms = 0) => jest.advanceTimersByTimeAsync(ms);
let metrics: Metrics;
let queue: WorkQueue;
beforeEach(() => {
  jest.useFakeTimers();
  metrics = new Metrics();
  queue = new WorkQueue({ name: "q", metrics });
});
afterEach(() => jest.useRealTimers());

/** Returns all keys that are ready now. */
async function takeAll(): Promise<string[]> {
  const keys: string[] = [];
  while (queue.length > 0) keys.push((await queue.get()) ?? "");
  return keys;
}

test("returns keys in the order of their adds, and each once", async () => {
  for (const key of ["b", "a", "b", "c", "a"]) queue.add(key);
  expect(queue.length).toBe(3);
  expect(await takeAll()).toEqual(["b", "a", "c"]);
});

test("returns a key again after done if it was added while in work", async () => {
  queue.add("a");
  await queue.get();
  queue.add("a");
  queue.add("a");
  expect(queue.length).toBe(0);
  queue.done("a");
  expect(await takeAll()).toEqual(["a"]);
  queue.done("a");
  expect(queue.length).toBe(0);
});

test("gives the next key to the caller that waits", async () => {
  const waiting = [queue.get(), queue.get()];
  queue.add("a");
  queue.add("b");
  expect(await Promise.all(waiting)).toEqual(["a", "b"]);
  expect(queue.length).toBe(0);
});

test("adds a key at the earliest of several times", async () => {
  queue.addAfter("a", 5000);
  queue.addAfter("a", 1000);
  queue.addAfter("a", 9000);
  await pass(999);
  expect(queue.length).toBe(0);
  await pass(1);
  expect(await takeAll()).toEqual(["a"]);
  await pass(10_000);
  queue.done("a");
  expect(queue.length).toBe(0);
  queue.addAfter("now", 0);
  queue.addAfter("later", 5000);
  queue.add("later");
  expect(await takeAll()).toEqual(["now", "later"]);
  expect(jest.getTimerCount()).toBe(0);
});

test("does not add a key early if its delay is longer than a timer supports", async () => {
  queue.addAfter("a", 2 ** 40);
  queue.addAfter("b", Infinity);
  await pass(2 ** 30);
  expect(queue.length).toBe(0);
  queue.shutDown();
});

test("retries a failed key after 5 ms, 10 ms, ... 1000 s, and again after 5 ms after a success", async () => {
  const waits: number[] = [];
  for (let failures = 0; failures < 20; failures++) {
    queue.addRateLimited("a");
    const start = Date.now();
    await jest.advanceTimersToNextTimerAsync();
    waits.push(Date.now() - start);
    await takeAll();
    queue.done("a");
  }
  expect(waits.slice(0, 4)).toEqual([5, 10, 20, 40]);
  expect(waits.slice(-3)).toEqual([655_360, 1_000_000, 1_000_000]);
  queue.addRateLimited("other");
  await pass(5);
  expect(await takeAll()).toEqual(["other"]);
  queue.forget("a");
  queue.addRateLimited("a");
  await pass(5);
  expect(await takeAll()).toEqual(["a"]);
});

test("returns waiting keys after shutDown, and accepts no others", async () => {
  queue.add("a");
  queue.addAfter("later", 10);
  queue.shutDown();
  queue.add("b");
  queue.addAfter("c", 1);
  queue.addRateLimited("d");
  await pass(100);
  expect([await queue.get(), await queue.get()]).toEqual(["a", undefined]);
  expect(jest.getTimerCount()).toBe(0);
});

test("ends waiting calls at shutDown, and still returns a key that was added while in work", async () => {
  queue.add("a");
  await queue.get();
  queue.add("a");
  const waiting = queue.get();
  queue.shutDown();
  expect(await waiting).toBeUndefined();
  queue.done("a");
  expect(await queue.get()).toBe("a");
});

test("has the metrics of client-go", async () => {
  queue.add("a");
  queue.add("b");
  await pass(2000);
  await queue.get();
  queue.addRateLimited("c");
  await pass(3000);
  const text = await metrics.registry.metrics();
  const labels = '{name="q",controller="q"}';
  expect(text).toContain(`workqueue_adds_total${labels} 3`);
  expect(text).toContain(`workqueue_depth${labels} 2`);
  expect(text).toContain(`workqueue_retries_total${labels} 1`);
  expect(text).toContain(`workqueue_unfinished_work_seconds${labels} 3`);
  expect(text).toContain(`workqueue_queue_duration_seconds_sum${labels} 2`);
  queue.done("a");
  expect(await metrics.registry.metrics()).toContain(`workqueue_work_duration_seconds_sum${labels} 3`);
});

test("gives a key to one worker at a time, and reconciles after each add, for any schedule", async () => {
  const key = fc.constantFrom("a", "b", "c");
  const step = fc.oneof(
    fc.record({ add: key }),
    fc.record({ after: key, ms: fc.nat(50) }),
    fc.record({ retry: key }),
    fc.record({ forget: key }),
    fc.record({ pass: fc.nat(30) }),
  );
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 60 }),
    fc.array(fc.nat(40), { minLength: 1, maxLength: 20 }),
    async (steps, durations) => {
      queue = new WorkQueue({ name: "q", metrics: new Metrics() });
      const working = new Set<string>();
      const due = new Map<string, number>();
      const started = new Map<string, number>();
      let reconciles = 0;
      const worker = async () => {
        for (let key = await queue.get(); key !== undefined; key = await queue.get()) {
          if (working.has(key)) throw new Error(`${key} is with two workers`);
          working.add(key);
          started.set(key, reconciles);
          await new Promise((resolve) => setTimeout(resolve, durations[reconciles++ % durations.length]));
          working.delete(key);
          queue.done(key);
        }
      };
      const workers = Promise.all([worker(), worker()]);
      for (const todo of steps) {
        if ("add" in todo) queue.add(todo.add);
        if ("after" in todo) queue.addAfter(todo.after, todo.ms);
        if ("retry" in todo) queue.addRateLimited(todo.retry);
        if ("forget" in todo) queue.forget(todo.forget);
        if ("pass" in todo) await pass(todo.pass);
        for (const field of ["add", "after", "retry"])
          if (field in todo) due.set((todo as Record<string, string>)[field] ?? "", reconciles);
      }
      await pass(2_000_000);
      // A reconcile that began before the add does not count.
      for (const [name, atAdd] of due) expect(started.get(name)).toBeGreaterThanOrEqual(atAdd);
      expect([queue.length, working.size]).toEqual([0, 0]);
      queue.shutDown();
      await workers;
      expect(jest.getTimerCount()).toBe(0);
    },
  );
  await assertAsyncProperty(property, 100);
});
