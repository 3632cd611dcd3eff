import * as fc from "fast-check";
import pino from "pino";
import { ApiError, type Method } from "../../../../kube/client";
import { EventRecorder, Metrics, type EventInput } from "../../../../kube";
import { SEED } from "../../../../testbed/random";

interface Sent {
  readonly method: Method;
  readonly path: string;
  readonly content: Record<string, unknown> & { series?: { count: number } };
}

const NODES = "/apis/events.k8s.io/v1/namespaces/default/events";
const event: EventInput = {
  regarding: { apiVersion: "v1", kind: "Node", name: "n1", uid: "u1" },
  type: "Warning",
  reason: "AgentNotReady",
  action: "Wait",
  note: "helper is not Ready",
};

function setUp(fault?: (sent: Sent) => unknown) {
  const sent: Sent[] = [];
  const metrics = new Metrics();
  const recorder = new EventRecorder({
    transport: {
      send: async (method, path, body) => {
        const one = { method, path, content: body?.content as Sent["content"] };
        sent.push(one);
        await fault?.(one);
        return {};
      },
    },
    identity: "pod_1",
    log: pino({ level: "silent" }),
    metrics,
  });
  return { sent, recorder, metrics };
}

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-21T12:00:00Z") });
});
afterEach(() => {
  jest.useRealTimers();
});
const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

test("writes events of events.k8s.io/v1, for cluster-scoped objects in namespace default", async () => {
  const { sent, recorder } = setUp();
  recorder.record(event);
  expect(sent).toEqual([]);
  await pass(0);
  expect(sent).toEqual([
    {
      method: "POST",
      path: NODES,
      content: {
        apiVersion: "events.k8s.io/v1",
        kind: "Event",
        metadata: { name: expect.stringMatching(/^n1\.[0-9a-f]{16}$/) as string, namespace: "default" },
        eventTime: "2026-11-21T12:00:00.000000Z",
        reportingController: "cedana.ai/controller",
        reportingInstance: "pod_1",
        type: "Warning",
        reason: "AgentNotReady",
        action: "Wait",
        regarding: event.regarding,
        note: "helper is not Ready",
      },
    },
  ]);
  recorder.record({ ...event, regarding: { ...event.regarding, kind: "Pod", namespace: "jobs" } });
  await pass(0);
  expect(sent[1]?.path).toBe("/apis/events.k8s.io/v1/namespaces/jobs/events");
});

test("counts repeats in a series of the same Event, and creates another Event after 10 minutes without", async () => {
  const { sent, recorder } = setUp();
  for (let minute = 0; minute < 3; minute++) {
    recorder.record(event);
    await pass(60_000);
  }
  const { name } = (sent[0] as Sent).content["metadata"] as { name: string };
  expect(sent.slice(1)).toEqual([
    {
      method: "PATCH",
      path: `${NODES}/${name}`,
      content: { series: { count: 2, lastObservedTime: "2026-11-21T12:01:00.000000Z" } },
    },
    {
      method: "PATCH",
      path: `${NODES}/${name}`,
      content: { series: { count: 3, lastObservedTime: "2026-11-21T12:02:00.000000Z" } },
    },
  ]);
  await pass(600_000);
  recorder.record(event);
  await pass(0);
  expect(sent[3]?.method).toBe("POST");
});

test("writes waiting repeats in one request with their count", async () => {
  const { sent, recorder } = setUp();
  for (let time = 0; time < 7; time++) recorder.record(event);
  await pass(0);
  expect(sent).toHaveLength(1);
  expect(sent[0]?.content.series?.count).toBe(7);
});

test("creates an expired Event again", async () => {
  const { sent, recorder } = setUp(({ method }) => {
    if (method === "PATCH") throw new ApiError(404, "not found");
  });
  recorder.record(event);
  await pass(0);
  recorder.record(event);
  await pass(0);
  expect(sent.map(({ method }) => method)).toEqual(["POST", "PATCH", "POST"]);
  expect(sent[2]?.content["metadata"]).not.toEqual(sent[0]?.content["metadata"]);
});

test("combines similar events from the eleventh on", async () => {
  const { sent, recorder } = setUp();
  for (let index = 0; index < 15; index++) {
    recorder.record({ ...event, note: `missing for ${index} s` });
    await pass(0);
  }
  expect(sent.filter(({ method }) => method === "POST")).toHaveLength(11);
  expect(sent[10]?.content["note"]).toBe("(combined from similar events): missing for 10 s");
  expect(sent.at(-1)?.content.series?.count).toBe(5);
});

test("limits events to 25 per object, then one in 5 minutes", async () => {
  const { sent, recorder, metrics } = setUp();
  for (let index = 0; index < 40; index++) recorder.record({ ...event, reason: `R${index}` });
  await pass(0);
  expect(sent).toHaveLength(25);
  recorder.record({ ...event, regarding: { ...event.regarding, name: "n2", uid: "u2" } });
  await pass(300_000);
  for (let index = 0; index < 3; index++) recorder.record({ ...event, reason: `S${index}` });
  await pass(0);
  expect(sent).toHaveLength(27);
  expect(await metrics.registry.metrics()).toContain('cedana_events_dropped_total{cause="budget"} 17');
});

test("retries while the API server is unreachable, but not after it rejects an event", async () => {
  const cut = setUp(() => Promise.reject(new Error("connection refused")));
  cut.recorder.record(event);
  await pass(60_000);
  expect(cut.sent).toHaveLength(3);
  expect(new Set(cut.sent.map(({ content }) => (content["metadata"] as { name: string }).name)).size).toBe(1);
  const rejected = setUp(() => Promise.reject(new ApiError(403, "forbidden")));
  rejected.recorder.record(event);
  await pass(60_000);
  expect(rejected.sent).toHaveLength(1);
  expect(await rejected.metrics.registry.metrics()).toContain(
    'cedana_events_dropped_total{cause="request"} 1',
  );
});

test("limits the queue, and flush waits at most for its timeout", async () => {
  const { sent, recorder, metrics } = setUp(() => new Promise(() => undefined));
  for (let index = 0; index < 1_500; index++)
    recorder.record({ ...event, regarding: { ...event.regarding, name: `n${index}`, uid: `u${index}` } });
  await pass(0);
  expect(sent).toHaveLength(1);
  expect(await metrics.registry.metrics()).toContain('cedana_events_dropped_total{cause="queue"} 500');
  let flushed = false;
  void recorder.flush(2_000).then(() => (flushed = true));
  await pass(1_999);
  expect(flushed).toBe(false);
  await pass(1);
  expect(flushed).toBe(true);
});

test("flush sends waiting events once, without retries", async () => {
  let down = true;
  const { sent, recorder } = setUp(() => {
    if (down) throw new Error("down");
  });
  recorder.record(event);
  recorder.record({ ...event, reason: "Other" });
  await pass(0);
  down = false;
  let flushed = false;
  void recorder.flush(2_000).then(() => (flushed = true));
  await pass(10);
  expect(flushed).toBe(true);
  expect(sent.map(({ content }) => content["reason"])).toEqual(["AgentNotReady", "AgentNotReady", "Other"]);
});

test("limits name, note and reason to what the API server accepts", async () => {
  const text = (characters: string[], maxLength: number) =>
    fc.array(fc.constantFrom(...characters), { maxLength, size: "max" }).map((all) => all.join(""));
  const anything = fc.record({
    name: text(["a", "1", "-", "."], 251).map((middle) => `n${middle}9`),
    note: text(["a", "é", "€", "😀"], 1_000),
    reason: text(["A", "b"], 300),
  });
  const { sent, recorder } = setUp();
  for (const { name, note, reason } of fc.sample(anything, { numRuns: 60, seed: SEED }))
    recorder.record({ ...event, note, reason, regarding: { ...event.regarding, name } });
  await pass(0);
  expect(sent.length).toBe(60);
  for (const { content } of sent) {
    const { name } = content["metadata"] as { name: string };
    expect(name).toMatch(/^[a-z0-9].*[a-z0-9]\.[0-9a-f]{16}$|^[a-z0-9]\.[0-9a-f]{16}$/);
    expect(name.length).toBeLessThanOrEqual(253);
    expect(Buffer.byteLength(content["note"] as string)).toBeLessThanOrEqual(1024);
    expect(content["note"]).not.toContain("\u{fffd}");
    expect((content["reason"] as string).length).toBeLessThanOrEqual(128);
  }
});
