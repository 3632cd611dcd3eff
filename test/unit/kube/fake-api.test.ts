import { ApiError, type WatchEvent } from "../../../kube/client";
import { FakeApi } from "../../../testbed/fake-api";

const NODES = "/api/v1/nodes";
const PODS = "/api/v1/pods";
const node = (name: string, fields: object = {}) => ({ metadata: { name }, ...fields });
const pod = (namespace: string, name: string, fields: object = {}) => ({
  metadata: { namespace, name, ...fields },
});
const json = (content: unknown) => ({ type: "application/json", content });
const jsonPatch = (content: unknown) => ({ type: "application/json-patch+json", content });
const apiError = (status: number, reason: string) => expect.objectContaining({ status, reason });

type List = {
  metadata: { resourceVersion: string; continue?: string };
  items: { metadata: { name: string } }[];
};

let api: FakeApi;
beforeEach(() => {
  api = new FakeApi();
});

describe("objects", () => {
  test("are created once, with a uid and a version", async () => {
    const made = await api.send("POST", "/api/v1/namespaces/a/pods", json({ metadata: { name: "p" } }));
    expect(made).toMatchObject({
      metadata: { name: "p", namespace: "a", uid: "uid-1", resourceVersion: "1001", generation: 1 },
    });
    await expect(api.send("POST", "/api/v1/namespaces/a/pods", json(made))).rejects.toEqual(
      apiError(409, "AlreadyExists"),
    );
    expect(await api.send("GET", "/api/v1/namespaces/a/pods/p")).toEqual(made);
    await expect(api.send("GET", "/api/v1/namespaces/b/pods/p")).rejects.toEqual(apiError(404, "NotFound"));
  });

  test("are not replaced from an old version, and keep their version with the same content", async () => {
    const { metadata } = api.put(NODES, node("n"));
    const next = await api.send("PUT", `${NODES}/n`, json({ metadata, spec: { unschedulable: true } }));
    expect(next).toMatchObject({ metadata: { resourceVersion: "1002", generation: 2 } });
    await expect(api.send("PUT", `${NODES}/n`, json({ metadata, spec: {} }))).rejects.toEqual(
      apiError(409, "Conflict"),
    );
    expect(await api.send("PUT", `${NODES}/n`, json(next))).toEqual(next);
    await expect(api.send("PUT", `${NODES}/other`, json(node("other")))).rejects.toEqual(
      apiError(404, "NotFound"),
    );
  });

  test("change their status only by the subresource", async () => {
    api.put(NODES, node("n", { spec: { a: 1 }, status: { b: 1 } }));
    const merge = { type: "application/merge-patch+json", content: { spec: { a: 2 }, status: { b: 2 } } };
    expect(await api.send("PATCH", `${NODES}/n`, merge)).toMatchObject({ spec: { a: 2 }, status: { b: 1 } });
    api.edit(`${NODES}/n`, (object) => (object["spec"] = { a: 1 }));
    expect(await api.send("PATCH", `${NODES}/n/status`, merge)).toMatchObject({
      spec: { a: 1 },
      status: { b: 2 },
    });
  });

  test("remain after a delete until their finalizers are removed", async () => {
    api.put(NODES, { metadata: { name: "n", finalizers: ["x"] } as { name: string } });
    const wrong = { preconditions: { uid: "uid-9" } };
    await expect(api.send("DELETE", `${NODES}/n`, json(wrong))).rejects.toEqual(apiError(409, "Conflict"));
    await api.send("DELETE", `${NODES}/n`);
    expect(api.get(`${NODES}/n`)?.metadata.deletionTimestamp).toBeDefined();
    await api.send("PATCH", `${NODES}/n`, jsonPatch([{ op: "remove", path: "/metadata/finalizers/0" }]));
    expect(api.get(`${NODES}/n`)).toBeUndefined();
  });

  test("a dry run changes nothing", async () => {
    api.put(NODES, node("n"));
    const query = { dryRun: "All" };
    await api.send("DELETE", `${NODES}/n`, undefined, { query });
    await api.send("POST", NODES, json(node("m")), { query });
    await api.send("PUT", `${NODES}/n`, json(node("n", { spec: { a: 1 } })), { query });
    expect([api.get(`${NODES}/n`)?.["spec"], api.get(`${NODES}/m`)]).toEqual([undefined, undefined]);
  });
});

describe("patches", () => {
  const taints = (...keys: string[]) => keys.map((key) => ({ key, effect: "NoSchedule" }));

  test("a JSON Patch changes nothing if its test fails", async () => {
    api.put(NODES, node("n", { spec: { taints: taints("a", "b") } }));
    const patch = (from: object[], to: object[]) =>
      jsonPatch([
        { op: "test", path: "/spec/taints", value: from },
        { op: "replace", path: "/spec/taints", value: to },
      ]);
    await expect(api.send("PATCH", `${NODES}/n`, patch(taints("b"), []))).rejects.toEqual(
      apiError(422, "Invalid"),
    );
    await api.send("PATCH", `${NODES}/n`, patch(taints("a", "b"), taints("b")));
    expect(api.get(`${NODES}/n`)?.["spec"]).toEqual({ taints: taints("b") });
    const missing = jsonPatch([{ op: "remove", path: "/spec/none" }]);
    await expect(api.send("PATCH", `${NODES}/n`, missing)).rejects.toEqual(apiError(422, "Invalid"));
  });

  test("a strategic merge patch keeps the other conditions", async () => {
    const status = { conditions: [{ type: "Ready", status: "True" }] };
    api.put(NODES, node("n", { status }));
    const content = { status: { conditions: [{ type: "CedanaReady", status: "False" }] } };
    await api.send("PATCH", `${NODES}/n/status`, { type: "application/strategic-merge-patch+json", content });
    expect(api.get(`${NODES}/n`)?.["status"]).toEqual({
      conditions: [...status.conditions, ...content.status.conditions],
    });
  });

  test("a merge patch can require a version, and apply creates a missing object", async () => {
    const merge = { type: "application/merge-patch+json", content: { metadata: { resourceVersion: "1" } } };
    api.put(NODES, node("n"));
    await expect(api.send("PATCH", `${NODES}/n`, merge)).rejects.toEqual(apiError(409, "Conflict"));
    await api.send("PATCH", `${NODES}/m`, { type: "application/apply-patch+yaml", content: node("m") });
    expect(api.get(`${NODES}/m`)?.metadata.name).toBe("m");
  });
});

describe("lists", () => {
  test("return pages of one version", async () => {
    for (const name of ["c", "a", "b"]) api.put(NODES, node(name, { apiVersion: "v1", kind: "Node" }));
    const first = (await api.send("GET", NODES, undefined, { query: { limit: "2" } })) as List;
    api.remove(`${NODES}/c`);
    const query = { limit: "2", continue: first.metadata.continue ?? "" };
    const second = (await api.send("GET", NODES, undefined, { query })) as List;
    expect([...first.items, ...second.items].map(({ metadata }) => metadata.name)).toEqual(["a", "b", "c"]);
    expect(second.metadata).toEqual({ resourceVersion: first.metadata.resourceVersion });
    expect(first.items[0]).not.toHaveProperty("kind");
    api.compact();
    await expect(api.send("GET", NODES, undefined, { query })).rejects.toEqual(apiError(410, "Expired"));
  });

  test("select by namespace, labels and fields", async () => {
    api.put(PODS, pod("a", "x", { labels: { app: "one" } }));
    api.put(PODS, pod("a", "y", { labels: { app: "two" } }));
    api.put(PODS, pod("b", "z"));
    const names = async (path: string) =>
      ((await api.send("GET", path)) as List).items.map(({ metadata }) => metadata.name).join("");
    expect(await names(PODS)).toBe("xyz");
    expect(await names("/api/v1/namespaces/a/pods")).toBe("xy");
    expect(await names(`${PODS}?labelSelector=app%3Done`)).toBe("x");
    expect(await names(`${PODS}?labelSelector=app,app!=one`)).toBe("y");
    expect(await names(`${PODS}?labelSelector=${encodeURIComponent("app in (one,two)")}`)).toBe("xy");
    expect(await names(`${PODS}?labelSelector=!app`)).toBe("z");
    expect(await names(`${PODS}?fieldSelector=metadata.name%3Dy`)).toBe("y");
  });
});

describe("watches", () => {
  const collect = async (events: AsyncIterable<WatchEvent>) => {
    const seen: string[] = [];
    for await (const { type, object } of events) {
      const { metadata, code } = object as {
        metadata?: { name?: string; resourceVersion: string };
        code?: number;
      };
      seen.push(`${type} ${metadata?.name ?? code ?? metadata?.resourceVersion}`);
    }
    return seen;
  };
  const watch = (path: string, query: Record<string, string>, signal = new AbortController().signal) =>
    collect(api.watch(path, { query, signal, idleTimeoutMs: 120_000 }));
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  test("send the events since a version and later ones within the selection", async () => {
    api.put(PODS, pod("a", "x", { labels: { app: "one" } }));
    const seen = watch("/api/v1/namespaces/a/pods", {
      resourceVersion: "1000",
      labelSelector: "app=one",
      timeoutSeconds: "90",
      allowWatchBookmarks: "true",
    });
    await jest.advanceTimersByTimeAsync(1);
    api.put(PODS, pod("b", "x", { labels: { app: "one" } }));
    api.edit("/api/v1/namespaces/a/pods/x", ({ metadata }) => (metadata.annotations = { a: "b" }));
    api.edit("/api/v1/namespaces/a/pods/x", ({ metadata }) => (metadata.labels = {}));
    await jest.advanceTimersByTimeAsync(90_000);
    expect(await seen).toEqual(["ADDED x", "MODIFIED x", "DELETED x", "BOOKMARK 1004"]);
    expect([api.watches.length, jest.getTimerCount()]).toEqual([0, 0]);
  });

  test("end with 410 for a compacted version", async () => {
    api.put(NODES, node("n"));
    api.compact();
    expect(await watch(NODES, { resourceVersion: "1000" })).toEqual(["ERROR 410"]);
  });

  test("continue, as lists do, after a compaction up to their version", async () => {
    api.put(NODES, node("a"));
    api.put(NODES, node("b"));
    const first = (await api.send("GET", NODES, undefined, { query: { limit: "1" } })) as List;
    api.put(NODES, node("c"));
    api.compact(1001);
    const query = { limit: "1", continue: first.metadata.continue ?? "" };
    expect(await api.send("GET", NODES, undefined, { query })).toMatchObject({ items: [node("b")] });
    const controller = new AbortController();
    const seen = watch(NODES, { resourceVersion: "1002" }, controller.signal);
    await jest.advanceTimersByTimeAsync(1);
    controller.abort();
    expect(await seen).toEqual(["ADDED c"]);
    api.compact(api.version);
    await expect(api.send("GET", NODES, undefined, { query })).rejects.toEqual(apiError(410, "Expired"));
    expect(await watch(NODES, { resourceVersion: "1002" })).toEqual(["ERROR 410"]);
  });

  test("start with the existing objects without a version", async () => {
    api.put(NODES, node("n"));
    const controller = new AbortController();
    const seen = watch(NODES, {}, controller.signal);
    await jest.advanceTimersByTimeAsync(1);
    controller.abort();
    expect(await seen).toEqual(["ADDED n"]);
  });

  test("can be closed or stalled", async () => {
    const failure = (seen: Promise<string[]>) => seen.then(String, (error: Error) => error.message);
    const cut = failure(watch(NODES, { resourceVersion: "1000" }));
    await jest.advanceTimersByTimeAsync(1);
    api.watches[0]?.end(new Error("ECONNRESET"));
    expect(await cut).toBe("ECONNRESET");
    const silent = failure(watch(NODES, { resourceVersion: "1000" }));
    await jest.advanceTimersByTimeAsync(1);
    api.watches[0]?.stall();
    api.put(NODES, node("n"));
    await jest.advanceTimersByTimeAsync(121_000);
    expect(await silent).toBe("nothing received for 120 s");
  });
});

describe("faults", () => {
  test("can be injected before and after a request, or instead of a response", async () => {
    api.before = ({ path }) => {
      if (path.endsWith("/n")) throw new ApiError(500, "etcd has no leader", { reason: "InternalError" });
    };
    await expect(api.send("GET", `${NODES}/n`)).rejects.toMatchObject({ status: 500 });
    api.before = undefined;
    api.after = () => Promise.reject(new Error("ECONNRESET"));
    await expect(api.send("POST", NODES, json(node("n")))).rejects.toThrow("ECONNRESET");
    expect(api.get(`${NODES}/n`)).toBeDefined();
    api.before = () => new Promise(() => {});
    await expect(api.send("GET", NODES, undefined, { timeoutMs: 5 })).rejects.toThrow(
      "no response within 0.005 s",
    );
    await expect(api.send("GET", NODES, undefined, { signal: AbortSignal.abort("stop") })).rejects.toBe(
      "stop",
    );
    expect(api.log.map(({ method, path }) => `${method} ${path}`)).toHaveLength(4);
    expect(api.writes).toEqual([{ method: "POST", path: NODES, query: {}, body: json(node("n")) }]);
  });
});
