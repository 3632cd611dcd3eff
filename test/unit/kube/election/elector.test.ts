import pino from "pino";
import type { Transport } from "../../../../kube/client";
import { LeaderElector, Metrics } from "../../../../kube";
import { FakeApi } from "../../../../testbed/fake-api";

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

/** Writes the lease as another holder whose clock is off. */
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

test("creates the lease as client-go does, renews it every 2 s and releases it", async () => {
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
  "does not take the lease from a holder that renews it, although its clock is off by %d ms",
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
    // The holder stops: the lease is acquired 15 s after its last observed change, and not before.
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

test("labels on the lease do not extend it", async () => {
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

test("acquires a released lease at the next retry", async () => {
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

test("acquires a deleted lease only after its holder must have noticed", async () => {
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

test("lets one of two replicas lead that create the lease concurrently", async () => {
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

test("keeps the lease after a conflict of one renewal", async () => {
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

test("without responses loses the lease 10 s after the start of the last renewal", async () => {
  const api = new FakeApi();
  const one = elector(api);
  const seen: boolean[] = [];
  const ended = one.run(new AbortController().signal, async (leading) => {
    await lead(leading);
    seen.push(one.mayWrite());
    // A worker that hangs blocks nothing.
    await new Promise(() => undefined);
  });
  await pass(4_000);
  api.before = () => new Promise(() => undefined);
  await pass(9_900);
  expect(one.mayWrite()).toBe(true);
  expect(one.remainingMs()).toBeCloseTo(4_100, -1);
  expect(one.failure()).toBeUndefined();
  await pass(100);
  expect(one.mayWrite()).toBe(false);
  expect(one.remainingMs()).toBe(0);
  expect(await ended).toBe("lost");
  expect(seen).toEqual([false]);
});

test("counts the time of a renewal from its request, however late the response", async () => {
  const api = new FakeApi();
  const one = elector(api);
  const ended = one.run(new AbortController().signal, lead);
  await pass(1_000);
  api.after = () => new Promise((resolve) => setTimeout(resolve, 4_000));
  // Requested at 2 s, response at 6 s.
  await pass(5_500);
  api.before = () => new Promise(() => undefined);
  await pass(5_400);
  expect(one.mayWrite()).toBe(true);
  await pass(200);
  expect(one.mayWrite()).toBe(false);
  expect(await ended).toBe("lost");
});

test("a holder that was paused until its lease expired does not write when it resumes", async () => {
  const api = new FakeApi();
  const one = elector(api);
  const ended = one.run(new AbortController().signal, lead);
  await pass(1_000);
  // The clock advances, no timer runs.
  jest.setSystemTime(Date.now() + 20_000);
  const now = performance.now();
  jest.spyOn(performance, "now").mockImplementation(() => now + 20_000);
  expect(one.mayWrite()).toBe(false);
  expect(one.failure()).toContain("not renewed");
  const writes = api.writes.length;
  await pass(1_000);
  jest.restoreAllMocks();
  expect(await ended).toBe("lost");
  expect(api.writes).toHaveLength(writes);
});

test("a wall clock that is set back does not extend the lease", async () => {
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

test("loses the lease at once when it reads another holder", async () => {
  const api = new FakeApi();
  const one = elector(api);
  const ended = one.run(new AbortController().signal, lead);
  await pass(1_000);
  await heldByOther(api);
  await pass(3_500);
  expect(await ended).toBe("lost");
  expect((await stored(api)).spec).toMatchObject({ holderIdentity: "other" });
});

test("keeps the lease until started work ends, then releases it", async () => {
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

test("releases a lease whose create response it did not receive", async () => {
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

test("throws an error of the leader's work, and an error if that work ends by itself", async () => {
  const failed = elector(new FakeApi()).run(new AbortController().signal, () =>
    Promise.reject(new Error("no")),
  );
  await expect(failed).rejects.toThrow("no");
  const quit = elector(new FakeApi()).run(new AbortController().signal, () => Promise.resolve());
  await expect(quit).rejects.toThrow("ended before");
});

test("rejects a renew deadline that is not shorter than the lease", () => {
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
