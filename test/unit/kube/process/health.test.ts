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

function ask(
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

const check = (name: string, trouble?: string): HealthCheck => ({ name, trouble: () => trouble });

describe("the server", () => {
  let lost: string | undefined;
  const server = new StatusServer({
    ...probes({
      healthz: [check("event-loop"), { name: "lease", trouble: () => lost }],
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

  test("says ok, and with ?verbose of what", async () => {
    expect(await ask(port, "/healthz")).toEqual({
      status: 200,
      type: "text/plain; charset=utf-8",
      text: "ok",
    });
    expect((await ask(port, "/healthz?verbose")).text).toBe(
      "[+]event-loop ok\n[+]lease ok\nhealthz check passed\n",
    );
  });

  test("says what is wrong", async () => {
    lost = "not renewed";
    expect(await ask(port, "/healthz")).toMatchObject({
      status: 503,
      text: "[+]event-loop ok\n[-]lease failed: not renewed\nhealthz check failed\n",
    });
    expect((await ask(port, "/readyz")).status).toBe(503);
  });

  test("answers GET and HEAD of known paths, nothing else", async () => {
    expect(await ask(port, "/healthz", "HEAD")).toMatchObject({ status: 200, text: "" });
    expect((await ask(port, "/healthz", "POST")).status).toBe(405);
    for (const path of ["/", "/healthz/x", "/constructor", "/__proto__", "//healthz"])
      expect((await ask(port, path)).status).toBe(404);
    expect((await ask(port, "/healthz", "GET", { long: "x".repeat(10_000) })).status).toBe(431);
    expect((await ask(port, "/broken")).status).toBe(500);
  });

  test("gives metrics as Prometheus reads them", async () => {
    const { type, text } = await ask(port, "/metrics");
    expect(type).toContain("text/plain");
    expect(text).toContain("# TYPE workqueue_depth gauge");
  });

  test("a port that is taken is an error", async () => {
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
    hasSynced: false,
    lastContactMs: 0,
  };

  test("a replica is ready once every reflector has its list", () => {
    const [synced] = syncChecks([reflector]);
    reflector.hasSynced = false;
    expect(synced?.trouble()).toContain("first list");
    reflector.hasSynced = true;
    expect(synced?.trouble()).toBeUndefined();
  });

  test("a reflector may be silent for 10 minutes once it has its list", () => {
    const [contact] = contactChecks([reflector]);
    reflector.lastContactMs = Date.now();
    reflector.hasSynced = true;
    jest.advanceTimersByTime(600_000);
    expect(contact?.trouble()).toBeUndefined();
    jest.advanceTimersByTime(1_000);
    expect(contact?.trouble()).toContain("for 601 s");
    reflector.lastContactMs = Date.now();
    expect(contact?.trouble()).toBeUndefined();
    reflector.hasSynced = false;
    jest.advanceTimersByTime(3_600_000);
    expect(contact?.trouble()).toBeUndefined();
  });

  test("an event loop that was stuck is told of for a minute", () => {
    const loop = new EventLoopCheck();
    jest.advanceTimersByTime(5_000);
    expect(loop.trouble()).toBeUndefined();
    const now = performance.now();
    const clock = jest.spyOn(performance, "now").mockReturnValue(now + 15_000);
    jest.advanceTimersByTime(1_000);
    expect(loop.trouble()).toBe("was stuck for 14000 ms");
    clock.mockReturnValue(now + 80_000);
    expect(loop.trouble()).toBeUndefined();
    clock.mockRestore();
    loop.stop();
    expect(jest.getTimerCount()).toBe(0);
  });

  test("the lease's trouble is the elector's", () => {
    expect(leaseCheck({ trouble: () => "late" })).toMatchObject({ name: "leader-election" });
    expect(leaseCheck({ trouble: () => "late" }).trouble()).toBe("late");
  });
});
