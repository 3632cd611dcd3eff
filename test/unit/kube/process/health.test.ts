import { request } from "node:http";
import {
  contactChecks,
  EventLoopCheck,
  leaseCheck,
  Metrics,
  metricsRoute,
  probes,
  StatusServer,
  syncChecks,
  type HealthCheck,
} from "../../../../kube";

interface Reply {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
}

function get(
  port: number,
  path: string,
  method = "GET",
  headers: Record<string, string> = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const call = request({ port, path, method, headers, host: "127.0.0.1", agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, type: response.headers["content-type"], text }),
      );
    });
    call.on("error", reject);
    call.end();
  });
}

const check = (name: string, failure?: string): HealthCheck => ({ name, failure: () => failure });

describe("the server", () => {
  let lost: string | undefined;
  const server = new StatusServer({
    ...probes({
      healthz: [check("event-loop"), { name: "lease", failure: () => lost }],
      readyz: [check("synced-nodes", "has not read its first list")],
    }),
    ...metricsRoute(new Metrics().registry),
    "/broken": () => Promise.reject(new Error("no figures")),
  });
  let port: number;
  beforeAll(async () => {
    port = await server.listen(0, "127.0.0.1");
  });
  afterAll(() => server.close());
  beforeEach(() => (lost = undefined));

  test("responds with ok, and lists the checks with ?verbose", async () => {
    expect(await get(port, "/healthz")).toEqual({
      status: 200,
      type: "text/plain; charset=utf-8",
      text: "ok",
    });
    expect((await get(port, "/healthz?verbose")).text).toBe(
      "[+]event-loop ok\n[+]lease ok\nhealthz check passed\n",
    );
  });

  test("reports failed checks", async () => {
    lost = "not renewed";
    expect(await get(port, "/healthz")).toMatchObject({
      status: 503,
      text: "[+]event-loop ok\n[-]lease failed: not renewed\nhealthz check failed\n",
    });
    expect((await get(port, "/readyz")).status).toBe(503);
  });

  test("serves only GET and HEAD of known paths", async () => {
    expect(await get(port, "/healthz", "HEAD")).toMatchObject({ status: 200, text: "" });
    expect((await get(port, "/healthz", "POST")).status).toBe(405);
    for (const path of ["/", "/healthz/x", "/constructor", "/__proto__", "//healthz"])
      expect((await get(port, path)).status).toBe(404);
    expect((await get(port, "/healthz", "GET", { long: "x".repeat(10_000) })).status).toBe(431);
    expect((await get(port, "/broken")).status).toBe(500);
  });

  test("serves metrics in the format of Prometheus", async () => {
    const { type, text } = await get(port, "/metrics");
    expect(type).toContain("text/plain");
    expect(text).toContain("# TYPE workqueue_depth gauge");
  });

  test("fails if its port is in use", async () => {
    await expect(new StatusServer({}).listen(port, "127.0.0.1")).rejects.toThrow("EADDRINUSE");
  });
});

describe("the checks", () => {
  beforeEach(() => {
    jest.useFakeTimers({ now: 1_000_000_000 });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  const reflector = {
    name: "nodes",
    run: async () => {},
    synced: Promise.resolve(),
    denied: undefined,
    hasSynced: false,
    lastContactMs: 0,
  };

  test("a replica is ready when every reflector has its first list", () => {
    const [synced] = syncChecks([reflector]);
    reflector.hasSynced = false;
    expect(synced?.failure()).toContain("first list");
    reflector.hasSynced = true;
    expect(synced?.failure()).toBeUndefined();
  });

  test("a reflector fails after 10 minutes without contact, once it has its first list", () => {
    const [contact] = contactChecks([reflector]);
    reflector.lastContactMs = Date.now();
    reflector.hasSynced = true;
    jest.advanceTimersByTime(600_000);
    expect(contact?.failure()).toBeUndefined();
    jest.advanceTimersByTime(1_000);
    expect(contact?.failure()).toContain("for 601 s");
    reflector.lastContactMs = Date.now();
    expect(contact?.failure()).toBeUndefined();
    reflector.hasSynced = false;
    jest.advanceTimersByTime(3_600_000);
    expect(contact?.failure()).toBeUndefined();
  });

  test("a blocked event loop is reported for a minute", () => {
    const loop = new EventLoopCheck();
    jest.advanceTimersByTime(5_000);
    expect(loop.failure()).toBeUndefined();
    const now = performance.now();
    const clock = jest.spyOn(performance, "now").mockReturnValue(now + 15_000);
    jest.advanceTimersByTime(1_000);
    expect(loop.failure()).toBe("was stuck for 14000 ms");
    clock.mockReturnValue(now + 80_000);
    expect(loop.failure()).toBeUndefined();
    clock.mockRestore();
    loop.stop();
    expect(jest.getTimerCount()).toBe(0);
  });

  test("the lease check reports the elector's failure", () => {
    expect(leaseCheck({ failure: () => "late" })).toMatchObject({ name: "leader-election" });
    expect(leaseCheck({ failure: () => "late" }).failure()).toBe("late");
  });
});
