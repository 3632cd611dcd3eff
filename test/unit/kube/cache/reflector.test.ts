import { ApiError, type Json } from "../../../../kube/client";
import { Metrics, Reflector, Store, metadataOf, textsAt } from "../../../../kube";
import { sleep } from "../../../../kube/backoff";
import { createLogger } from "../../../../kube/log";
import { FakeApi } from "../../../../testbed/fake-api";

const PODS = "/api/v1/pods";
const path = (name: string) => `/api/v1/namespaces/a/pods/${name}`;
const pod = (name: string, labels: Record<string, string> = {}) => ({
  metadata: { name, namespace: "a", labels },
});

interface Pod {
  readonly metadata: ReturnType<typeof metadataOf>;
  readonly labels: Readonly<Record<string, string>>;
}
const project = (raw: Json): Pod => ({
  metadata: metadataOf(raw),
  labels: textsAt(raw, "metadata", "labels"),
});

let api: FakeApi;
let store: Store<Pod>;
let changes: string[];
let lines: Record<string, unknown>[];
let stop: () => Promise<void>;

/** Returns the sorted names of the stored objects. */
const names = () =>
  store
    .list()
    .map(({ metadata }) => metadata.name)
    .toSorted()
    .join(" ");
const requests = () => api.log.map(({ method }) => method).join(" ");
const pass = (ms = 1) => jest.advanceTimersByTimeAsync(ms);

function start(
  options: { project?: (raw: Json) => Pod; query?: Record<string, string> } = {},
): Reflector<Pod> {
  const destination = {
    write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>),
  };
  const reflector = new Reflector<Pod>({
    name: "pods",
    transport: api,
    path: PODS,
    project,
    store,
    log: createLogger({ level: "info", destination }),
    metrics: new Metrics(),
    ...options,
  });
  const controller = new AbortController();
  const running = reflector.run(controller.signal);
  stop = async () => {
    controller.abort();
    await running;
  };
  return reflector;
}

beforeEach(() => {
  jest.useFakeTimers();
  api = new FakeApi();
  store = new Store<Pod>();
  changes = [];
  lines = [];
  store.onChange(({ key, old, new: now }) => {
    const version = (object?: Pod) => object?.labels["v"] ?? (object ? "+" : "-");
    changes.push(`${key.slice(2)} ${version(old)}${version(now)}`);
  });
});
afterEach(async () => {
  await stop();
  const left = jest.getTimerCount();
  jest.useRealTimers();
  if (left > 0) throw new Error(`${left} timers are left`);
});

test("lists page by page, then watches", async () => {
  for (let i = 0; i < 1201; i++) api.put(PODS, pod(`p${i}`));
  const reflector = start({ query: { labelSelector: "!hidden" } });
  expect([reflector.hasSynced, reflector.lastContactMs]).toEqual([false, 0]);
  // The list is stored in several turns of the event loop.
  for (let turn = 0; turn < 50 && !reflector.hasSynced; turn++) await pass();
  await reflector.synced;
  expect([reflector.hasSynced, store.size]).toEqual([true, 1201]);
  expect(Date.now() - reflector.lastContactMs).toBeLessThan(50);
  expect(requests()).toBe("GET GET GET GET WATCH");
  expect(api.log.map(({ query }) => query["labelSelector"])).toEqual(Array(5).fill("!hidden"));
  expect(api.log[4]?.query).toMatchObject({ allowWatchBookmarks: "true", resourceVersion: "2201" });
  changes = [];
  api.put(PODS, pod("new"));
  api.put(PODS, pod("p7", { v: "2" }));
  api.put(PODS, pod("p8", { hidden: "yes" }));
  api.remove(path("p9"));
  await pass();
  expect(changes).toEqual(["new -+", "p7 +2", "p8 +-", "p9 +-"]);
});

test("watches from the last version at once when the API server ends the watch", async () => {
  start();
  await pass(2000);
  api.put(PODS, pod("x"));
  await pass();
  for (const watch of api.watches) watch.end();
  api.put(PODS, pod("y"));
  await pass();
  expect(names()).toBe("x y");
  await pass(599_000); // Just below the time after which the collection is listed again.
  api.put(PODS, pod("z"));
  await pass();
  expect(names()).toBe("x y z");
  expect(api.log.filter(({ method }) => method === "GET")).toHaveLength(1);
  expect(api.log.length).toBeLessThan(24);
});

test("backs off when each watch ends at once", async () => {
  start();
  await pass(2000);
  api.before = ({ method }) => {
    if (method === "WATCH") setTimeout(() => api.watches.at(-1)?.end(), 1);
  };
  api.watches[0]?.end();
  await pass(60_000);
  expect(api.log.length).toBeGreaterThan(8);
  expect(api.log.length).toBeLessThan(25);
  api.before = undefined;
  api.put(PODS, pod("x"));
  await pass(10_000);
  expect(names()).toBe("x");
});

test("continues from the version of a bookmark", async () => {
  start();
  await pass(2000);
  api.put("/api/v1/nodes", { metadata: { name: "n" } });
  api.watches[0]?.bookmark();
  await pass();
  api.compact();
  api.watches[0]?.end();
  await pass();
  expect(requests()).toBe("GET WATCH WATCH");
  expect(api.log[2]?.query["resourceVersion"]).toBe("1001");
});

describe("when its version has expired", () => {
  const gone: [string, () => void][] = [
    ["an event of the watch", () => api.compact()],
    [
      "the response to the watch",
      () => {
        api.before = ({ method }) => {
          api.before = undefined;
          if (method === "WATCH") throw new ApiError(410, "too old resource version", { reason: "Expired" });
        };
      },
    ],
  ];
  test.each(gone)("lists again after %s and reports what was deleted meanwhile", async (_, expire) => {
    for (const name of ["kept", "gone", "again"]) api.put(PODS, pod(name, { v: "1" }));
    start();
    await pass(2000);
    changes = [];
    for (const watch of api.watches) watch.stall();
    for (const name of ["gone", "again"]) api.remove(path(name));
    api.put(PODS, pod("again", { v: "2" }));
    api.put(PODS, pod("new"));
    expire();
    api.watches[0]?.end();
    await pass();
    expect(changes).toEqual(["gone 1-", "again 1-", "again -2", "new -+"]);
    expect(lines.at(-1)).toMatchObject({ level: "info", msg: "listed", items: 3, reflector: "pods" });
  });

  test("backs off when that repeats, and then recovers", async () => {
    api.before = ({ method }) => {
      if (method === "WATCH") throw new ApiError(410, "Expired");
    };
    start();
    await pass(60_000);
    expect(api.log.length).toBeLessThan(50);
    api.before = undefined;
    api.put(PODS, pod("x"));
    await pass(11_000);
    expect(names()).toBe("x");
  });
});

test("replaces a watch without data within 50 s", async () => {
  const reflector = start();
  await pass(2000);
  for (const watch of api.watches) watch.stall();
  api.put(PODS, pod("x"));
  await pass(45_000);
  expect([names(), Date.now() - reflector.lastContactMs]).toEqual(["", 47_000]);
  await pass(6000);
  expect(names()).toBe("x");
  expect(lines.at(-1)).toMatchObject({
    level: "warn",
    next: "watch",
    error: "Error: nothing received for 50 s",
  });
});

test.each([400, 403, 404, 429, 500, 503, 0])("recovers from errors %s of list and watch", async (status) => {
  let failing = true;
  const error = status === 0 ? new Error("ECONNREFUSED") : new ApiError(status, "no");
  api.before = () => {
    if (failing) throw error;
  };
  const reflector = start();
  await pass(60_000);
  expect(reflector.hasSynced).toBe(false);
  const tries = api.log.length;
  expect(tries).toBeGreaterThan(6);
  expect(tries).toBeLessThan(30);
  failing = false;
  await pass(11_000);
  expect(reflector.hasSynced).toBe(true);
  failing = true;
  api.watches[0]?.end();
  api.put(PODS, pod("x"));
  await pass(60_000);
  failing = false;
  await pass(11_000);
  expect(names()).toBe("x");
  const lists = api.log.slice(tries).filter(({ method }) => method === "GET");
  expect(lists.length > 1).toBe(status === 400 || status === 404);
});

test("logs an outage once a minute", async () => {
  start();
  await pass(2000);
  api.before = () => {
    throw new Error("ECONNREFUSED");
  };
  api.watches[0]?.end();
  await pass(145_000);
  expect(lines.slice(1).map(({ level, error }) => `${String(level)} ${String(error)}`)).toEqual(
    Array(3).fill("warn Error: ECONNREFUSED"),
  );
});

test("waits for the Retry-After of the API server", async () => {
  api.before = () => {
    throw new ApiError(503, "starting", { retryAfterMs: 9000 });
  };
  start();
  await pass(8000);
  expect(api.log).toHaveLength(1);
  await pass(11_000);
  expect(api.log.length).toBeLessThan(4);
});

test("does not apply versions older than the stored one", async () => {
  api.put(PODS, pod("x", { v: "1" }));
  const old = api.get(path("x")) as unknown as Json;
  start();
  await pass(2000);
  api.put(PODS, pod("x", { v: "2" }));
  api.put(PODS, pod("y"));
  await pass();
  const [watch] = api.watches;
  watch?.send({ type: "MODIFIED", object: old });
  watch?.send({ type: "DELETED", object: old });
  await pass();
  api.remove(path("y"));
  await pass();
  watch?.send({ type: "BOOKMARK", object: { metadata: { resourceVersion: "1001" } } });
  watch?.end();
  await pass();
  expect(changes).toEqual(["x -1", "x 12", "y -+", "y +-"]);
  expect(api.log.at(-1)?.query["resourceVersion"]).toBe("1004");
});

describe("a list that is older than the watch", () => {
  const old = { metadata: { resourceVersion: "900" }, items: [] };
  let stale: boolean;
  beforeEach(async () => {
    stale = false;
    const send = api.send.bind(api);
    api.send = async (...args) => (stale ? (send(...args), old) : send(...args));
    api.put(PODS, pod("x"));
    start();
    await pass(2000);
    stale = true;
    api.compact();
    api.put(PODS, pod("y"));
    api.before = ({ method }) => {
      if (method === "WATCH") throw new ApiError(410, "Expired");
    };
    api.watches[0]?.end();
  });

  test("is not applied and requested again while an API server lags", async () => {
    await pass(1500);
    expect(changes).toEqual(["x -+", "y -+"]);
    stale = false;
    api.before = undefined;
    await pass(11_000);
    expect(changes).toEqual(["x -+", "y -+"]);
    expect(api.watches).toHaveLength(1);
  });

  test("is applied after a minute, because etcd was restored", async () => {
    await pass(60_000);
    expect(changes).toEqual(["x -+", "y -+", "x +-", "y +-"]);
  });
});

test("lists again after ten minutes without events", async () => {
  api.put(PODS, pod("x"));
  start();
  await pass(2000);
  // An API server whose etcd was restored sends no events for versions that it has not reached yet.
  jest.spyOn(api, "watch").mockImplementation(async function* (_, { signal }) {
    await sleep(30_000, signal);
    yield { type: "BOOKMARK", object: { metadata: { resourceVersion: "900" } } };
  });
  api.watches[0]?.end();
  await pass();
  api.remove(path("x"));
  await pass(500_000);
  expect(names()).toBe("x");
  await pass(130_000);
  expect(names()).toBe("");
});

test("stores other objects when a projection or a handler throws", async () => {
  store.onChange(({ key }) => {
    if (key === "a/handler") throw new Error("handler of x");
  });
  const handled: string[] = [];
  store.onChange(({ key }) => handled.push(key));
  api.put(PODS, pod("bad", { v: "1" }));
  start({
    project: (raw) => {
      const result = project(raw);
      if (result.labels["v"] === "2") throw new Error("unknown field");
      return result;
    },
  });
  await pass(2000);
  api.put(PODS, pod("bad", { v: "2" }));
  api.put(PODS, pod("handler"));
  api.put(PODS, pod("good"));
  await pass();
  api.compact();
  api.put(PODS, pod("late"));
  api.watches[0]?.end(new ApiError(410, "Expired"));
  await pass(1000);
  expect(names()).toBe("bad good handler late");
  expect(store.get("a/bad")?.labels).toEqual({ v: "1" });
  expect(handled).toContain("a/handler");
  expect(
    lines.filter(({ level }) => level === "error").map(({ key, msg }) => `${String(key)} ${String(msg)}`),
  ).toEqual(["a/bad projection failed", "a/handler handler failed", "a/bad projection failed"]);
});

test("recovers from invalid lists and events", async () => {
  const send = api.send.bind(api);
  let garbage: unknown = [];
  api.send = async (...args) => garbage ?? send(...args);
  start();
  await pass(1000);
  for (garbage of ["<html>", { kind: "Status" }, { metadata: { resourceVersion: "7" }, items: [{}] }])
    await pass(5000);
  garbage = undefined;
  await pass(12_000);
  for (const metadata of [undefined, { resourceVersion: "99999" }]) {
    api.watches[0]?.send({ type: "ADDED", object: { kind: "Pod", metadata } });
    await pass(1000);
  }
  api.put(PODS, pod("x"));
  await pass(1000);
  expect(names()).toBe("x");
});
