import pino from "pino";
import type { Transport } from "../../../../kube/client";
import { LeaderElector, Metrics } from "../../../../kube";
import { FakeApi } from "../../../support/fake-api";

const PATH = "/apis/coordination.k8s.io/v1/namespaces/cedana-system/leases/controller";
const log = pino({ level: "silent" });

interface LeaseObject {
  metadata: { resourceVersion: string; labels?: Record<string, string> };
  spec: Record<string, unknown>;
}

function elector(transport: Pick<Transport, "send">, identity = "a", metrics = new Metrics()) {
  return new LeaderElector({
    transport,
    namespace: "cedana-system",
    name: "controller",
    identity,
    log,
    metrics,
  });
}

const lead = (leading: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (leading.aborted) resolve();
    else leading.addEventListener("abort", () => resolve());
  });

async function stored(api: FakeApi): Promise<LeaseObject> {
  return (await api.send("GET", PATH)) as LeaseObject;
}

/** Lets another process hold the lease, renewed now by a clock that is off. */
async function heldByOther(api: FakeApi, clockOffMs = 0, change: object = {}): Promise<void> {
  const time = new Date(Date.now() + clockOffMs).toISOString().replace("Z", "000Z");
  const spec = {
    holderIdentity: "other",
    leaseDurationSeconds: 15,
    acquireTime: time,
    renewTime: time,
    leaseTransitions: 3,
    ...change,
  };
  const known = await stored(api).catch(() => undefined);
  const metadata = { name: "controller", namespace: "cedana-system", ...known?.metadata };
  const body = {
    type: "application/json",
    content: { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec },
  };
  if (known) await api.send("PUT", PATH, body);
  else await api.send("POST", PATH.replace(/\/controller$/, ""), body);
}

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-21T12:00:00Z") });
});
afterEach(() => {
  jest.useRealTimers();
});

const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

test("creates the lease as client-go does, renews it every 2 s and gives it back", async () => {
  const api = new FakeApi();
  const metrics = new Metrics();
  const one = elector(api, "a", metrics);
  const stop = new AbortController();
  const ended = one.run(stop.signal, lead);
  await pass(0);
  expect((await stored(api)).spec).toEqual({
    holderIdentity: "a",
    leaseDurationSeconds: 15,
    acquireTime: "2026-11-21T12:00:00.000000Z",
    renewTime: "2026-11-21T12:00:00.000000Z",
    leaseTransitions: 0,
  });
  expect(one.mayWrite()).toBe(true);
  expect(await metrics.registry.metrics()).toContain('leader_election_master_status{name="controller"} 1');
  await pass(60_000);
  expect(api.writes).toHaveLength(31);
  expect((await stored(api)).spec).toMatchObject({
    acquireTime: "2026-11-21T12:00:00.000000Z",
    renewTime: "2026-11-21T12:01:00.000000Z",
    leaseTransitions: 0,
  });
  stop.abort();
  await pass(0);
  expect(await ended).toBe("released");
  expect(one.mayWrite()).toBe(false);
  expect((await stored(api)).spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
  expect(await metrics.registry.metrics()).toContain('leader_election_master_status{name="controller"} 0');
});

test.each([-300_000, 0, 300_000])(
  "a holder whose clock is off by %d ms is left alone while it renews",
  async (off) => {
    const api = new FakeApi();
    await heldByOther(api, off);
    const one = elector(api);
    const stop = new AbortController();
    const ended = one.run(stop.signal, lead);
    for (let second = 0; second < 60; second += 2) {
      await heldByOther(api, off);
      await pass(2_000);
      expect(one.mayWrite()).toBe(false);
    }
    // Now it is silent: taken over 15 s after we last saw it change, and not before.
    await pass(12_900);
    expect(one.mayWrite()).toBe(false);
    await pass(5_200);
    expect(one.mayWrite()).toBe(true);
    expect((await stored(api)).spec).toMatchObject({ holderIdentity: "a", leaseTransitions: 4 });
    stop.abort();
    await pass(0);
    expect(await ended).toBe("released");
  },
);

test("labels written to the lease do not prolong it", async () => {
  const api = new FakeApi();
  await heldByOther(api);
  const one = elector(api);
  const stop = new AbortController();
  void one.run(stop.signal, lead);
  for (let second = 0; second < 19; second++) {
    const type = "application/merge-patch+json";
    await api.send("PATCH", PATH, { type, content: { metadata: { labels: { second: `${second}` } } } });
    await pass(1_000);
  }
  expect(one.mayWrite()).toBe(true);
  expect((await stored(api)).metadata.labels).toEqual({ second: "18" });
  stop.abort();
  await pass(0);
});

test("a released lease is taken at the next look", async () => {
  const api = new FakeApi();
  await heldByOther(api);
  const one = elector(api);
  const stop = new AbortController();
  void one.run(stop.signal, lead);
  await pass(5_000);
  await heldByOther(api, 0, { holderIdentity: "", leaseDurationSeconds: 1 });
  await pass(3_000);
  expect(one.mayWrite()).toBe(true);
  stop.abort();
  await pass(0);
});

test("a lease that is deleted under its holder is not taken before the holder would know", async () => {
  const api = new FakeApi();
  await heldByOther(api);
  const one = elector(api);
  const stop = new AbortController();
  void one.run(stop.signal, lead);
  await pass(1_000);
  await api.send("DELETE", PATH);
  await pass(13_000);
  expect(one.mayWrite()).toBe(false);
  await pass(6_000);
  expect(one.mayWrite()).toBe(true);
  stop.abort();
  await pass(0);
});

test("of two that create at once one leads", async () => {
  const api = new FakeApi();
  const electors = [elector(api, "a"), elector(api, "b")];
  const stop = new AbortController();
  const ended = electors.map((one) => one.run(stop.signal, lead));
  await pass(30_000);
  expect(electors.filter((one) => one.mayWrite())).toHaveLength(1);
  stop.abort();
  await pass(0);
  expect(await Promise.all(ended)).toEqual(["released", "released"]);
});

test("a renewal that lost against another writer costs one round, not the lease", async () => {
  const api = new FakeApi();
  const one = elector(api);
  const stop = new AbortController();
  const ended = one.run(stop.signal, lead);
  await pass(1_000);
  const type = "application/merge-patch+json";
  await api.send("PATCH", PATH, { type, content: { metadata: { labels: { seen: "yes" } } } });
  await pass(20_000);
  expect(one.mayWrite()).toBe(true);
  stop.abort();
  await pass(0);
  expect(await ended).toBe("released");
});

test("without an answer it writes for 10 s after the last renewal began, then the lease is lost", async () => {
  const api = new FakeApi();
  const one = elector(api);
  const seen: boolean[] = [];
  const ended = one.run(new AbortController().signal, async (leading) => {
    await lead(leading);
    seen.push(one.mayWrite());
    // A worker that hangs holds nothing up.
    await new Promise(() => undefined);
  });
  await pass(4_000);
  api.before = () => new Promise(() => undefined);
  await pass(9_900);
  expect(one.mayWrite()).toBe(true);
  expect(one.remainingMs()).toBeCloseTo(4_100, -1);
  expect(one.trouble()).toBeUndefined();
  await pass(100);
  expect(one.mayWrite()).toBe(false);
  expect(one.remainingMs()).toBe(0);
  expect(await ended).toBe("lost");
  expect(seen).toEqual([false]);
});

test("the time of a renewal counts from its request, however late the answer comes", async () => {
  const api = new FakeApi();
  const one = elector(api);
  const ended = one.run(new AbortController().signal, lead);
  await pass(1_000);
  api.after = () => new Promise((resolve) => setTimeout(resolve, 4_000));
  // Asked at 2 s, answered at 6 s.
  await pass(5_500);
  api.before = () => new Promise(() => undefined);
  await pass(5_400);
  expect(one.mayWrite()).toBe(true);
  await pass(200);
  expect(one.mayWrite()).toBe(false);
  expect(await ended).toBe("lost");
});

test("a holder that was paused past its time does not write when it comes to itself", async () => {
  const api = new FakeApi();
  const one = elector(api);
  const ended = one.run(new AbortController().signal, lead);
  await pass(1_000);
  // The clock goes on, no timer runs.
  jest.setSystemTime(Date.now() + 20_000);
  const now = performance.now();
  jest.spyOn(performance, "now").mockImplementation(() => now + 20_000);
  expect(one.mayWrite()).toBe(false);
  expect(one.trouble()).toContain("not renewed");
  const writes = api.writes.length;
  await pass(1_000);
  jest.restoreAllMocks();
  expect(await ended).toBe("lost");
  expect(api.writes).toHaveLength(writes);
});

test("a wall clock that is set back does not prolong the lease", async () => {
  const api = new FakeApi();
  const one = elector(api);
  const ended = one.run(new AbortController().signal, lead);
  await pass(1_000);
  api.before = () => Promise.reject(new Error("cut"));
  jest.setSystemTime(Date.now() - 300_000);
  await pass(9_000);
  expect(one.mayWrite()).toBe(false);
  expect(await ended).toBe("lost");
});

test("who sees another holder has lost at once", async () => {
  const api = new FakeApi();
  const one = elector(api);
  const ended = one.run(new AbortController().signal, lead);
  await pass(1_000);
  await heldByOther(api);
  await pass(3_500);
  expect(await ended).toBe("lost");
  expect((await stored(api)).spec).toMatchObject({ holderIdentity: "other" });
});

test("keeps the lease while what is under way ends, and gives it back only then", async () => {
  const api = new FakeApi();
  const one = elector(api);
  const stop = new AbortController();
  let finish = () => {};
  const ended = one.run(stop.signal, () => new Promise((resolve) => (finish = resolve)));
  await pass(1_000);
  stop.abort();
  await pass(8_000);
  expect(one.mayWrite()).toBe(true);
  expect((await stored(api)).spec).toMatchObject({ holderIdentity: "a" });
  finish();
  await pass(0);
  expect(await ended).toBe("released");
  expect((await stored(api)).spec).toMatchObject({ holderIdentity: "" });
});

test("gives back what it holds although it never knew: the answer was not waited for", async () => {
  const api = new FakeApi();
  const stop = new AbortController();
  api.after = ({ method }) => (method === "POST" ? new Promise(() => undefined) : undefined);
  const ended = elector(api).run(stop.signal, lead);
  await pass(100);
  stop.abort();
  await pass(100);
  expect(await ended).toBe("released");
  expect((await stored(api)).spec).toMatchObject({ holderIdentity: "" });
});

test("what leading throws is thrown, and leading that ends by itself is an error", async () => {
  const failed = elector(new FakeApi()).run(new AbortController().signal, () =>
    Promise.reject(new Error("no")),
  );
  await expect(failed).rejects.toThrow("no");
  const quit = elector(new FakeApi()).run(new AbortController().signal, () => Promise.resolve());
  await expect(quit).rejects.toThrow("ended before");
});

test("refuses times that cannot be safe", () => {
  const times = { leaseDurationMs: 10_000, renewDeadlineMs: 10_000 };
  const make = () =>
    new LeaderElector({
      transport: new FakeApi(),
      namespace: "n",
      name: "l",
      identity: "a",
      log,
      metrics: new Metrics(),
      ...times,
    });
  expect(make).toThrow(RangeError);
});
