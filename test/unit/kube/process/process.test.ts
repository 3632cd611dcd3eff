import { EventEmitter } from "node:events";
import { createLogger, EXIT, runProcess, type Controller, type RunProcessOptions } from "../../../../kube";

function deferred<T = void>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((settle, fail) => {
    resolve = settle;
    reject = fail;
  });
  return { promise, resolve, reject };
}

/** A process whose steps are recorded in order. */
function setUp(change: { controller?: Partial<Controller>; options?: Partial<RunProcessOptions> } = {}) {
  const done: string[] = [];
  const exits: number[] = [];
  const lines: string[] = [];
  const source = new EventEmitter();
  const synced = deferred();
  const following = deferred();
  const lost = deferred<"lost">();
  const controller: Controller = {
    name: "controller",
    sources: [synced.promise].map((promise) => ({ synced: promise })),
    lead: async (signal) => {
      done.push("controller leads");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      done.push("controller stops");
    },
    ...change.controller,
  };
  const ended = runProcess({
    controllers: [controller],
    cache: {
      informers: [informer("nodes", synced.promise)],
      run: (signal) => {
        done.push("cache runs");
        signal.addEventListener("abort", () => done.push("cache stops"));
        return following.promise;
      },
    },
    elector: {
      run: async (signal, lead) => {
        done.push("elector runs");
        const outcome = await Promise.race([lead(signal).then(() => "released" as const), lost.promise]);
        done.push(`lease ${outcome}`);
        return outcome;
      },
    },
    events: { flush: async () => void done.push("events flushed") },
    servers: [
      {
        start: async () => void done.push("server starts"),
        close: async () => void done.push("server closes"),
      },
    ],
    log: createLogger({ level: "info", destination: { write: (line) => void lines.push(line) } }),
    source,
    exit: (code) => void exits.push(code),
    ...change.options,
  });
  return { done, exits, lines, source, synced, following, lost, ended };
}

function informer(name: string, synced: Promise<void>, hasSynced = false) {
  return { name, run: async () => {}, synced, denied: undefined, hasSynced, lastContactMs: 0 };
}

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});
const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

test("starts servers, cache, lease, controllers; stops controllers, events, lease, cache, servers", async () => {
  const { done, source, synced, ended, exits } = setUp();
  await pass(60_000);
  expect(done).toEqual(["server starts", "cache runs"]);
  synced.resolve();
  await pass(0);
  expect(done.slice(2)).toEqual(["elector runs", "controller leads"]);
  source.emit("SIGTERM");
  expect(await ended).toBe(EXIT.stopped);
  expect(done.slice(4)).toEqual([
    "controller stops",
    "events flushed",
    "lease released",
    "cache stops",
    "server closes",
  ]);
  expect(exits).toEqual([]);
  expect(source.eventNames()).toEqual([]);
});

test("servers drain from the first signal on; the lease is released meanwhile, cache and servers stop after it", async () => {
  const draining = deferred();
  const done: string[] = [];
  const servers = ["webhook", "probes"].map((name) => ({
    start: async () => {},
    ...(name === "probes" ? {} : { drain: () => (done.push("drains"), draining.promise) }),
    close: async () => void done.push(`${name} closes`),
  }));
  const process = setUp({ options: { servers } });
  process.synced.resolve();
  await pass(0);
  expect(done).toEqual([]);
  process.source.emit("SIGTERM");
  await pass(60_000);
  expect(done).toEqual(["drains"]);
  expect(process.done).toContain("lease released");
  expect(process.done).not.toContain("cache stops");
  draining.resolve();
  expect(await process.ended).toBe(EXIT.stopped);
  expect(process.done.at(-1)).toBe("cache stops");
  expect(done).toEqual(["drains", "webhook closes", "probes closes"]);
});

test("a lost lease does not wait for servers to drain", async () => {
  const drain = jest.fn(() => new Promise<void>(() => {}));
  const servers = [{ start: async () => {}, drain, close: async () => {} }];
  const { synced, lost, ended } = setUp({ options: { servers } });
  synced.resolve();
  await pass(0);
  lost.resolve("lost");
  expect(await ended).toBe(EXIT.failed);
  await pass(0);
  expect(drain).not.toHaveBeenCalled();
});

test("a signal before the caches are filled stops at once", async () => {
  const { done, source, ended } = setUp();
  await pass(0);
  source.emit("SIGINT");
  expect(await ended).toBe(EXIT.stopped);
  expect(done).not.toContain("elector runs");
});

test("starts the other controllers after a minute if one cache cannot be filled, and that one once it is", async () => {
  const late = deferred();
  const led: string[] = [];
  const controller = (name: string, synced: Promise<void>): Controller => ({
    name,
    sources: [{ synced }],
    lead: async (signal) => {
      led.push(name);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  const controllers = [controller("gate", Promise.resolve()), controller("checkpoints", late.promise)];
  const informers = [informer("nodes", Promise.resolve(), true), informer("checkpoints", late.promise)];
  const cache = { informers, run: () => new Promise<void>(() => {}) };
  const { source, ended, lines } = setUp({ options: { controllers, cache } });
  await pass(59_000);
  expect(led).toEqual([]);
  await pass(1_001);
  expect(led).toEqual(["gate"]);
  expect(lines.join("")).toContain('"informers":["checkpoints"],"msg":"caches not filled');
  late.resolve();
  await pass(1);
  expect(led).toEqual(["gate", "checkpoints"]);
  source.emit("SIGTERM");
  expect(await ended).toBe(EXIT.stopped);
});

test("does not request the lease without any filled cache", async () => {
  const { done, source, ended } = setUp();
  await pass(600_000);
  expect(done).not.toContain("elector runs");
  source.emit("SIGTERM");
  expect(await ended).toBe(EXIT.stopped);
});

test("a lost lease ends the process with 1, whatever work is in flight", async () => {
  const { synced, lost, ended } = setUp({ controller: { lead: () => new Promise(() => undefined) } });
  synced.resolve();
  await pass(0);
  lost.resolve("lost");
  expect(await ended).toBe(EXIT.failed);
});

test("exits with code 1 and keeps the lease when a controller does not stop in 10 s", async () => {
  const { done, source, synced, ended, lines } = setUp({
    controller: { lead: () => new Promise(() => undefined) },
  });
  synced.resolve();
  await pass(0);
  source.emit("SIGTERM");
  await pass(9_999);
  expect(done).not.toContain("server closes");
  await pass(1);
  expect(await ended).toBe(EXIT.failed);
  expect(done).not.toContain("lease released");
  expect(lines.join("")).toContain("did not end in 10000 ms");
});

test("a second signal exits at once", async () => {
  const { source, synced, exits } = setUp({ controller: { lead: () => new Promise(() => undefined) } });
  synced.resolve();
  await pass(0);
  source.emit("SIGTERM");
  expect(exits).toEqual([]);
  source.emit("SIGTERM");
  source.emit("SIGINT");
  expect(exits).toEqual([143, 130]);
});

test.each(["unhandledRejection", "uncaughtException"])(
  "%s is logged and ends the process with 1",
  async (name) => {
    const { source, exits, lines } = setUp();
    await pass(0);
    source.emit(name, new Error("unhandled"));
    expect(exits).toEqual([1]);
    expect(JSON.parse(lines.at(-1) as string)).toMatchObject({
      level: "fatal",
      cause: name,
      err: { message: "unhandled" },
    });
  },
);

test.each([
  [
    "a controller that fails",
    setUp,
    (run: ReturnType<typeof setUp>) => run.synced.resolve(),
    { lead: () => Promise.reject(new Error("bug")) },
  ],
  [
    "a cache that fails",
    setUp,
    (run: ReturnType<typeof setUp>) => run.following.reject(new Error("bug")),
    {},
  ],
])("%s ends the process with 1 and a log line with the cause", async (_name, make, act, controller) => {
  const run = make({ controller });
  await pass(0);
  act(run);
  // Controllers start in a later turn of the event loop.
  await pass(1);
  expect(await run.ended).toBe(EXIT.failed);
  expect(run.lines.at(-1)).toContain("bug");
  expect(run.done).toContain("server closes");
});

test("a port in use ends the process with 1", async () => {
  const taken = { start: () => Promise.reject(new Error("EADDRINUSE")), close: async () => {} };
  const { ended, lines } = setUp({ options: { servers: [taken] } });
  expect(await ended).toBe(EXIT.failed);
  expect(lines.join("")).toContain("EADDRINUSE");
});

test("the log has levels and times, and no secret", () => {
  const lines: string[] = [];
  const log = createLogger({ level: "info", destination: { write: (line) => void lines.push(line) } });
  log.debug("hidden");
  const error = Object.assign(new Error("refused"), {
    status: 403,
    headers: { authorization: "Bearer abc" },
  });
  log.warn(
    { token: "abc", request: { headers: { authorization: "Bearer abc" } }, err: error },
    "request failed",
  );
  const line = lines.join("");
  expect(JSON.parse(line)).toMatchObject({
    level: "warn",
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
    msg: "request failed",
    token: "[secret]",
    err: { message: "refused", status: 403 },
  });
  expect(line).not.toContain("abc");
});
