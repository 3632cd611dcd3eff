import { Metrics, WorkQueue, createLogger, runWorkers, type Reconcile } from "../../../../kube";

const pass = (ms = 1) => jest.advanceTimersByTimeAsync(ms);
let metrics: Metrics;
let queue: WorkQueue;
let controller: AbortController;
let lines: Record<string, unknown>[];
beforeEach(() => {
  jest.useFakeTimers();
  metrics = new Metrics();
  queue = new WorkQueue({ name: "gate", metrics });
  controller = new AbortController();
  lines = [];
});
afterEach(() => jest.useRealTimers());

function run(reconcile: Reconcile, workers = 2): Promise<void> {
  const destination = {
    write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>),
  };
  const log = createLogger({ level: "info", destination });
  const { signal } = controller;
  const counted = metrics.controller("gate", workers);
  return runWorkers({ name: "gate", queue, workers, reconcile, signal, log, metrics: counted });
}
const results = async () =>
  [
    ...(await metrics.registry.metrics()).matchAll(
      /^controller_runtime_reconcile_total\{.*result="(\w+)"\} (\d+)$/gm,
    ),
  ]
    .map(([, result, count]) => `${result} ${count}`)
    .toSorted();

test("reconciles one key per worker concurrently, and no key twice", async () => {
  const under = new Set<string>();
  let most = 0;
  const running = run(async (key) => {
    if (under.has(key)) throw new Error("twice");
    under.add(key);
    most = Math.max(most, under.size);
    await new Promise((resolve) => setTimeout(resolve, 10));
    under.delete(key);
  }, 3);
  for (let i = 0; i < 30; i++) queue.add(`n${i % 10}`);
  await pass(15);
  for (let i = 0; i < 10; i++) queue.add(`n${i}`);
  await pass(1000);
  controller.abort();
  await running;
  expect(most).toBe(3);
  expect(await results()).toEqual(["error 0", "requeue_after 0", "success 16"]);
});

test("retries and logs failures with backoff, which a success resets", async () => {
  const times: number[] = [];
  const start = Date.now();
  const running = run(async () => {
    times.push(Date.now() - start);
    if (times.length <= 3) throw new Error(`failure ${times.length}`);
  });
  queue.add("n");
  await pass(1000);
  expect(times).toEqual([0, 5, 15, 35]);
  expect(
    lines.map(({ msg, controller: name, key, err }) => [msg, name, key, (err as Error).message]),
  ).toEqual([1, 2, 3].map((count) => ["reconcile failed", "gate", "n", `failure ${count}`]));
  expect(await results()).toEqual(["error 3", "requeue_after 0", "success 1"]);
  queue.addRateLimited("n");
  await pass(5);
  expect(times).toHaveLength(5);
  controller.abort();
  await running;
});

test("reconciles again after requeueAfterMs", async () => {
  let calls = 0;
  const running = run(async () => (++calls < 3 ? { requeueAfterMs: 60_000 } : {}));
  queue.add("n");
  await pass(59_000);
  expect(calls).toBe(1);
  await pass(600_000);
  expect(calls).toBe(3);
  controller.abort();
  await running;
  expect(await results()).toEqual(["error 0", "requeue_after 2", "success 1"]);
});

test("keeps workers running after a synchronous throw or a rejection without an error", async () => {
  const seen: string[] = [];
  const running = run((key) => {
    seen.push(key);
    if (seen.length === 1) throw new Error("at once");
    return seen.length === 2 ? Promise.reject() : Promise.resolve();
  }, 1);
  for (const key of ["a", "b", "c"]) queue.add(key);
  await pass(100);
  expect(seen).toEqual(["a", "b", "c", "a", "b"]);
  controller.abort();
  await running;
});

test("finishes started reconciles after the signal, and starts no others", async () => {
  const started: string[] = [];
  const finished: string[] = [];
  let ended = false;
  const running = run(async (key, signal) => {
    started.push(key);
    await new Promise((resolve) => setTimeout(resolve, 100));
    finished.push(`${key} ${signal.aborted}`);
    throw new Error("cut short");
  }).then(() => (ended = true));
  for (const key of ["a", "b", "c", "d"]) queue.add(key);
  await pass(10);
  controller.abort();
  await pass(10);
  expect([started, ended]).toEqual([["a", "b"], false]);
  await pass(100);
  expect([started, finished, ended]).toEqual([["a", "b"], ["a true", "b true"], true]);
  await running;
  expect([lines, jest.getTimerCount()]).toEqual([[], 0]);
});

test("reconciles nothing if the signal is already aborted", async () => {
  controller.abort();
  queue.add("a");
  const reconcile = jest.fn<Promise<void>, [string]>();
  await run(reconcile);
  expect(reconcile).not.toHaveBeenCalled();
});
