import {
  ApiError,
  Cache,
  Client,
  createLogger,
  metadataOf,
  textsAt,
  type Json,
  type Kind,
} from "../../../../kube";
import { FakeApi } from "../../../../testbed/fake-api";

const PODS = "/api/v1/pods";
const log = createLogger({ level: "error", destination: { write: () => {} } });

interface Pod {
  readonly metadata: ReturnType<typeof metadataOf>;
  readonly labels: Readonly<Record<string, string>>;
}
const project = (raw: Json): Pod => ({
  metadata: metadataOf(raw),
  labels: textsAt(raw, "metadata", "labels"),
});
const POD: Kind<Pod> = { apiVersion: "v1", kind: "Pod", plural: "pods", project };

let api: FakeApi;
let cache: Cache;
let client: Client;
let stop: AbortController;
let running: Promise<void> | undefined;
const pass = (ms = 1) => jest.advanceTimersByTimeAsync(ms);
const put = (namespace: string, name: string, labels: Record<string, string> = {}) =>
  api.put(PODS, { metadata: { name, namespace, labels } } as never);

function run(): void {
  running = cache.run(stop.signal);
}

beforeEach(() => {
  jest.useFakeTimers();
  api = new FakeApi();
  cache = new Cache({ transport: api, log });
  const observe: Cache["observe"] = (kind, object) => cache.observe(kind, object);
  client = new Client(api, { fieldManager: "test", observe });
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await running;
  jest.useRealTimers();
});

test("lists and watches objects once, however many controllers read them", async () => {
  put("a", "one");
  const first = cache.objects(POD, { namespaces: ["a"] });
  const second = cache.objects(POD, { namespaces: ["a"] });
  const byLabel = second.index(({ labels }) => Object.keys(labels));
  run();
  await pass();
  expect(api.log.map(({ method }) => method)).toEqual(["GET", "WATCH"]);
  put("a", "two", { x: "1" });
  await pass();
  expect(first.list()).toEqual(second.list());
  expect(byLabel("x").map(({ metadata }) => metadata.name)).toEqual(["two"]);
  expect(first.get("a/one")).toBe(second.get("a/one"));
});

test("follows each namespace and each selector on its own", async () => {
  for (const namespace of ["a", "b", "c"]) put(namespace, "one", { x: "1" });
  put("a", "two");
  const some = cache.objects(POD, { namespaces: ["a", "b", "a"] });
  const selected = cache.objects(POD, { labelSelector: "x=1" });
  run();
  await pass();
  await Promise.all([some.synced, selected.synced]);
  expect(cache.informers.map(({ name }) => name)).toEqual(["pods/a", "pods/b", "pods[x=1]"]);
  const keys = (pods: readonly Pod[]) =>
    pods.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).toSorted();
  expect(keys(some.list())).toEqual(["a/one", "a/two", "b/one"]);
  expect(keys(selected.list())).toEqual(["a/one", "b/one", "c/one"]);
});

test("rejects a second projection of the same objects", () => {
  cache.objects(POD);
  expect(() => cache.objects({ ...POD, project: (raw) => ({ ...project(raw), labels: {} }) })).toThrow(
    "pods is cached with another projection",
  );
});

test("a missing kind keeps only its own objects from being synced", async () => {
  api.before = ({ path }) => {
    if (path.endsWith("/secrets")) throw Object.assign(new Error("forbidden"), { status: 403 });
  };
  const pods = cache.objects(POD);
  const secrets = cache.objects({ ...POD, kind: "Secret", plural: "secrets" });
  let synced = false;
  void secrets.synced.then(() => (synced = true));
  run();
  await pass(60_000);
  await pods.synced;
  expect([synced, cache.informers.map(({ hasSynced }) => hasSynced)]).toEqual([false, [true, false]]);
});

describe("a namespace whose list is denied", () => {
  const deny = (status: number, ...namespaces: string[]) => {
    api.before = ({ path }) => {
      if (namespaces.some((one) => path.includes(`/${one}/`))) throw new ApiError(status, "denied");
    };
  };
  const permit = () => (api.before = undefined);

  test.each([403, 404])("is skipped (%s), and picked up when it is permitted", async (status) => {
    for (const namespace of ["a", "b"]) put(namespace, "one");
    deny(status, "b");
    const pods = cache.objects(POD, { namespaces: ["a", "b"], skipDenied: true });
    const waiting = cache.objects(POD, { namespaces: ["a", "b"] });
    const [lists, permitted]: [unknown[], unknown[]] = [[], []];
    cache.onDenial(({ informer, denial }) => lists.push([informer, denial?.status]));
    pods.onPermitted((namespace) => permitted.push(namespace));
    let synced = false;
    void waiting.synced.then(() => (synced = true));
    run();
    await pods.synced;
    await pass(600_000);
    expect([pods.covers("a"), pods.covers("b"), waiting.covers("b"), synced]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([pods.deniedIn("a"), pods.deniedIn("b")]).toEqual([undefined, { status, message: "denied" }]);
    expect(cache.denied.map(({ informer }) => informer)).toEqual(["pods/b"]);
    expect(cache.informers.every(({ lastContactMs }) => Date.now() - lastContactMs < 60_000)).toBe(true);
    permit();
    await pass(10_000);
    expect([pods.covers("b"), synced, cache.denied, permitted]).toEqual([true, true, [], ["b"]]);
    expect(lists).toEqual([
      ["pods/b", status],
      ["pods/b", undefined],
    ]);
    expect(pods.get("b/one")).toBeDefined();
  });

  test("is not covered after its watch is denied; its objects are kept until the next list", async () => {
    put("a", "one");
    const pods = cache.objects(POD, { namespaces: ["a"], skipDenied: true });
    run();
    await pods.synced;
    deny(403, "a");
    await pass(60_000);
    expect([pods.covers("a"), pods.list().length]).toEqual([false, 1]);
    permit();
    await pass(10_000);
    expect(pods.covers("a")).toBe(true);
  });

  test("an error that is no denial is waited for", async () => {
    deny(500, "a");
    const pods = cache.objects(POD, { namespaces: ["a"], skipDenied: true });
    let synced = false;
    void pods.synced.then(() => (synced = true));
    run();
    await pass(60_000);
    expect([synced, pods.deniedIn("a"), pods.covers("a")]).toEqual([false, undefined, false]);
  });
});

describe("reads its own writes", () => {
  const version = (pods = cache.objects(POD)) => pods.get("a/one")?.labels["v"];
  const write = (v: string) =>
    client.strategicPatch(POD, { namespace: "a", name: "one" }, { metadata: { labels: { v } } });

  beforeEach(() => void put("a", "one", { v: "1" }));

  test("before the watch delivers them, and reports each change once", async () => {
    const pods = cache.objects(POD);
    const changes: string[] = [];
    pods.onChange(({ old, new: now }) => changes.push(`${old?.labels["v"]} ${now?.labels["v"]}`));
    const byVersion = pods.index(({ labels }) => Object.values(labels));
    run();
    await pass();
    const written = write("2");
    await written;
    expect([version(), byVersion("1").length, byVersion("2").length]).toEqual(["2", 0, 1]);
    await pass(1000);
    expect(changes).toEqual(["undefined 1", "1 2"]);
  });

  test("until the watch delivers a later version; an older one changes nothing", async () => {
    const pods = cache.objects(POD);
    run();
    await pass();
    put("a", "one", { v: "other" });
    await write("mine");
    expect(version()).toBe("mine");
    await pass();
    expect(version()).toBe("mine");
    put("a", "one", { v: "later" });
    await pass();
    expect(pods.get("a/one")?.labels["v"]).toBe("later");
  });

  test("an object that was deleted meanwhile does not come back", async () => {
    cache.objects(POD);
    run();
    await pass();
    api.after = ({ method }) => {
      if (method === "PATCH") api.remove("/api/v1/namespaces/a/pods/one");
    };
    const written = write("2");
    await pass();
    await written;
    await pass();
    expect(version()).toBeUndefined();
  });
});

test("includes a write once the watch has delivered what was written before it, or after a new list", async () => {
  put("a", "one");
  put("a", "two");
  const pods = cache.objects(POD, { namespaces: ["a", "b"] });
  run();
  await pass();
  const label = async (value: string) => {
    const operations = [{ op: "add" as const, path: "/metadata/labels/x", value }];
    return client.jsonPatch(POD, { namespace: "a", name: "one" }, operations);
  };
  put("a", "two", { late: "no" });
  const written = await label("1");
  const included = pods.includes(written, 500);
  await pass();
  expect(await included).toBe(true);
  expect(pods.get("a/two")?.labels).toEqual({ late: "no" });
  // At once if it was delivered before.
  expect(await pods.includes(written, 0)).toBe(true);

  for (const watch of api.watches) watch.stall();
  put("a", "two", { late: "yes" });
  const missing = pods.includes(await label("2"), 500);
  await pass(501);
  expect(await missing).toBe(false);
  expect(pods.get("a/two")?.labels).toEqual({ late: "no" });
  // The half-open watch is found after 50 s.
  const later = pods.includes(await label("3"), 120_000);
  await pass(60_000);
  expect(await later).toBe(true);
  expect(pods.get("a/two")?.labels).toEqual({ late: "yes" });

  const other = { ...written, metadata: { ...written.metadata, name: "other" } };
  expect(await pods.includes(other, 500)).toBe(false);
});
