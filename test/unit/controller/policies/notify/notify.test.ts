/** The action notify from the trigger to the attempts, with a virtual clock. */
import type { PolicyStatus } from "../../../../../api";
import { watchName } from "../../../../../controller/policies/memory/objects";
import { IN_A } from "../cluster";
import { dataOf, DOWN, NotifyCluster, podEvents } from "./support";

const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
let cluster: NotifyCluster;

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") });
  cluster = new NotifyCluster();
});
afterEach(async () => {
  cluster.stop();
  await seconds(0);
  jest.useRealTimers();
});

const onRequest = { trigger: { manual: {} }, action: { notify: { destination: "ops" } } };
const statusOf = async (name: string) =>
  ((await cluster.api.send("GET", `${IN_A}/checkpointpolicies/${name}`)) as { status: PolicyStatus }).status;

test("sends one request with the cause, and records an event of the pod", async () => {
  const clusterId = cluster.put("/api/v1/namespaces", { metadata: { name: "kube-system" } }).metadata.uid;
  const policy = cluster.policy("p", onRequest);
  const pod = cluster.pod("web-0", {
    metadata: {
      ownerReferences: [
        { apiVersion: "apps/v1", kind: "StatefulSet", name: "web", uid: "s", controller: true },
      ],
    },
  });
  cluster.start();
  await seconds(1);
  cluster.request("web-0");
  await seconds(60);
  const time = "2026-11-27T12:00:01.000Z";
  expect(cluster.sent).toHaveLength(1);
  expect(JSON.parse(cluster.sent[0]?.body ?? "")).toEqual({
    type: "cedana.policy.due",
    timestamp: time,
    data: {
      clusterId,
      policy: { kind: "CheckpointPolicy", namespace: "team-a", name: "p", uid: policy.metadata.uid },
      pod: { namespace: "team-a", name: "web-0", uid: pod.metadata.uid, nodeName: "n1" },
      owner: { kind: "StatefulSet", name: "web" },
      trigger: "manual",
      scheduledTime: time,
      reason: "Requested",
      message: "an annotation requested it",
    },
  });
  expect(podEvents(cluster)).toEqual([
    {
      regarding: { apiVersion: "v1", kind: "Pod", namespace: "team-a", name: "web-0", uid: pod.metadata.uid },
      type: "Normal",
      reason: "PolicyNotification",
      action: "Notify",
      note: "policy p: an annotation requested it",
    },
  ]);
  expect(await cluster.created()).toEqual([]);
  expect(await cluster.ended("delivered")).toBe(1);
  expect(await statusOf("p")).toMatchObject({
    matchedPods: 1,
    inFlight: 0,
    waiting: 0,
    lastRunTime: expect.any(String),
  });
});

test("records a memory threshold as an event of the type Warning, also without a destination", async () => {
  cluster.policy("full", { trigger: { memory: { percent: 80 } }, action: { notify: {} } });
  const limits = { limits: { memory: "1Gi" } };
  const pod = cluster.pod("web-0", {
    spec: { containers: [{ name: "main", image: "app", resources: limits }] },
  });
  cluster.start();
  await seconds(20);
  const path = `/apis/automation.cedana.ai/v1alpha1/namespaces/cedana-system/nodememorywatches/${watchName("n1")}`;
  cluster.api.edit(path, (object) => {
    const [watch] = (object["spec"] as { watches: { id: string }[] }).watches;
    object["status"] = {
      observedGeneration: 1,
      crossings: [{ id: watch?.id, time: new Date().toISOString(), rearmed: false }],
    };
  });
  await seconds(20);
  expect(podEvents(cluster)).toMatchObject([
    {
      type: "Warning",
      note: "policy full: its memory reached 80 % of a limit",
      regarding: { uid: pod.metadata.uid },
    },
  ]);
  expect(cluster.sent).toEqual([]);
});

test("retries the same request with growing delays until the deadline while the receiver is down", async () => {
  cluster.respond = () => DOWN;
  cluster.policy("p", { ...onRequest, deadlineSeconds: 300 });
  cluster.pod("web-0");
  cluster.start();
  await seconds(1);
  cluster.request("web-0");
  await seconds(120);
  expect(await statusOf("p")).toMatchObject({ waiting: 1, inFlight: 0 });
  expect((await statusOf("p")).conditions?.[0]?.message).toContain(
    "notifications that wait after a failed attempt: 1; destination ops: HTTP 500",
  );
  await seconds(600);
  expect(new Set(cluster.sent.map(({ id }) => id)).size).toBe(1);
  expect(new Set(cluster.sent.map(({ body }) => body)).size).toBe(1);
  const times = cluster.sent.map(({ atMs }) => atMs);
  const gaps = times.slice(1).map((atMs, index) => (atMs - (times[index] ?? 0)) / 1000);
  for (const [index, gap] of gaps.entries()) {
    const delay = Math.min(60, 2 ** index);
    expect(gap).toBeGreaterThanOrEqual(delay / 2 - 0.01);
    expect(gap).toBeLessThanOrEqual(delay + 0.01);
  }
  expect(times.at(-1)).toBeLessThan(Date.parse("2026-11-27T12:05:00Z"));
  expect(times.length).toBeGreaterThan(7);
  const { lastFailures, waiting } = await statusOf("p");
  expect(waiting).toBe(0);
  expect(lastFailures).toMatchObject([
    {
      pod: "web-0",
      reason: "NotificationNotDelivered",
      message: `not delivered within deadlineSeconds, after ${times.length} attempts: destination ops: HTTP 500`,
    },
  ]);
  expect(cluster.events.filter(({ regarding }) => regarding.kind === "CheckpointPolicy")).toMatchObject([
    { type: "Warning", reason: "NotificationNotDelivered" },
  ]);
  expect(await cluster.ended("failed")).toBe(1);
  // Addresses are for the log only.
  expect(JSON.stringify([cluster.events, await statusOf("p")])).not.toContain("10.9.8.7");
  expect(JSON.stringify(cluster.lines)).toContain("10.9.8.7");
});

test("sends nothing after the deadline, even if it waited for a slow receiver", async () => {
  cluster.respond = async () => {
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    return DOWN;
  };
  cluster.policy("p", { ...onRequest, deadlineSeconds: 30 });
  const names = Array.from({ length: 30 }, (_, index) => `web-${index}`);
  for (const name of names) cluster.pod(name);
  cluster.start();
  await seconds(1);
  for (const name of names) cluster.request(name);
  await seconds(120);
  const { length } = cluster.sent;
  expect(length).toBeGreaterThanOrEqual(8);
  expect(length).toBeLessThan(30);
  const deadlineMs = Date.parse("2026-11-27T12:00:31Z");
  expect(cluster.sent.filter(({ atMs }) => atMs > deadlineMs)).toEqual([]);
  expect(await cluster.ended("failed")).toBe(30);
  expect(JSON.stringify(cluster.lines)).toContain("after 0 attempts: destination ops: HTTP 500");
});

test("misses a request that is older than the deadline: records no event and sends nothing", async () => {
  cluster.policy("p", { ...onRequest, deadlineSeconds: 300 });
  cluster.pod("web-0");
  cluster.start();
  await seconds(1200);
  cluster.request("web-0", "2026-11-27T12:05:00Z");
  await seconds(60);
  expect([cluster.sent, podEvents(cluster)]).toEqual([[], []]);
  expect((await statusOf("p")).lastFailures).toMatchObject([{ pod: "web-0", reason: "DeadlineExceeded" }]);
});

test("Retry-After postpones all requests to the destination, and none to others", async () => {
  const busy = { is: "failed", cause: "HTTP 429", retryAfterMs: 120_000 } as const;
  cluster.respond = ({ to }) =>
    to === "ops" && Date.now() < Date.parse("2026-11-27T12:01:00Z") ? busy : { is: "delivered" };
  cluster.policy("p", onRequest);
  cluster.policy("q", { trigger: { manual: {} }, action: { notify: { destination: "audit" } } });
  cluster.pod("web-0");
  cluster.pod("web-1");
  cluster.start();
  await seconds(1);
  cluster.request("web-0");
  await seconds(10);
  cluster.request("web-1");
  await seconds(60);
  const to = (name: string) => cluster.sent.filter((one) => one.to === name).length;
  expect([to("ops"), to("audit")]).toEqual([1, 2]);
  await seconds(60);
  expect([to("ops"), await cluster.ended("delivered")]).toEqual([3, 2]);
});

test("does not repeat what the receiver rejects", async () => {
  cluster.respond = () => ({ is: "rejected", cause: "HTTP 307: redirects are not followed" });
  cluster.policy("p", onRequest);
  cluster.pod("web-0");
  cluster.start();
  await seconds(1);
  cluster.request("web-0");
  await seconds(600);
  expect(cluster.sent).toHaveLength(1);
  expect((await statusOf("p")).lastFailures).toMatchObject([
    {
      reason: "NotificationRejected",
      message: "destination ops rejected the notification: HTTP 307: redirects are not followed",
    },
  ]);
});

test("sends undelivered notifications again with the same id after a restart", async () => {
  cluster.respond = () => DOWN;
  cluster.policy("p", onRequest);
  cluster.pod("web-0");
  const stop = cluster.start();
  await seconds(1);
  cluster.request("web-0");
  await seconds(100);
  stop();
  await seconds(1);
  const before = cluster.sent.length;
  await seconds(60);
  expect(cluster.sent).toHaveLength(before);
  cluster.respond = () => ({ is: "delivered" });
  cluster.start();
  await seconds(10);
  expect(cluster.sent).toHaveLength(before + 1);
  expect(new Set(cluster.sent.map(({ id, body }) => `${id} ${body}`)).size).toBe(1);
  expect(await cluster.ended("delivered")).toBe(1);
});

test("a controller that ends during an attempt sends nothing more, and the next one sends the notification", async () => {
  cluster.respond = (_, signal) =>
    new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error));
      setTimeout(() => resolve({ is: "delivered" }), 10_000);
    });
  cluster.policy("p", onRequest);
  cluster.pod("web-0");
  const stop = cluster.start();
  await seconds(1);
  cluster.request("web-0");
  await seconds(5);
  stop();
  await seconds(20);
  expect(await cluster.ended("delivered")).toBe(0);
  cluster.start();
  await seconds(20);
  expect(await cluster.ended("delivered")).toBe(1);
  expect(new Set(cluster.sent.map(({ id }) => id)).size).toBe(1);
});

test.each<[string, (path: string) => void]>([
  [
    "suspended",
    (path) => cluster.api.edit(path, (one) => Object.assign(one["spec"] as object, { suspend: true })),
  ],
  [
    "changed",
    (path) =>
      cluster.api.edit(path, (one) =>
        Object.assign(one["spec"] as object, { action: { notify: { destination: "audit" } } }),
      ),
  ],
])("a policy that is %s sends nothing that waits", async (_, change) => {
  cluster.respond = () => DOWN;
  cluster.policy("p", onRequest);
  cluster.pod("web-0");
  cluster.start();
  await seconds(1);
  cluster.request("web-0");
  await seconds(30);
  const before = cluster.sent.length;
  const path = `${IN_A}/checkpointpolicies/p`;
  change(path);
  cluster.api.edit(path, ({ metadata }) => void ((metadata as { generation: number }).generation = 2));
  await seconds(300);
  expect(cluster.sent).toHaveLength(before);
  expect(await cluster.ended("canceled")).toBe(1);
});

test("a condition of the policy reports a destination that the install does not have", async () => {
  cluster.policy("p", { trigger: { manual: {} }, action: { notify: { destination: "pager" } } });
  cluster.pod("web-0");
  cluster.start();
  await seconds(1);
  cluster.request("web-0");
  await seconds(60);
  expect((await statusOf("p")).conditions).toContainEqual(
    expect.objectContaining({
      type: "Failed",
      status: "True",
      reason: "InvalidAction",
      message:
        "action.notify.destination pager is not one of install.policies.notify.destinations: ops, audit",
    }),
  );
  expect([cluster.sent, podEvents(cluster)]).toEqual([[], []]);
});

test("a receiver that never responds delays no Checkpoint, and no other destination", async () => {
  cluster.respond = ({ to }) => (to === "ops" ? new Promise(() => {}) : { is: "delivered" });
  cluster.policy("p", onRequest);
  cluster.policy("q", { trigger: { manual: {} }, action: { notify: { destination: "audit" } } });
  cluster.policy("c", { trigger: { manual: {} } });
  const names = Array.from({ length: 40 }, (_, index) => `web-${index}`);
  for (const name of names) cluster.pod(name, { spec: { nodeName: `n-${name}` } });
  cluster.start();
  await seconds(1);
  for (const name of names) cluster.request(name);
  await seconds(5);
  await cluster.finish();
  await seconds(20);
  await cluster.finish();
  await seconds(20);
  await cluster.finish();
  await seconds(20);
  expect(await cluster.created()).toHaveLength(40);
  expect(cluster.sent.filter(({ to }) => to === "audit")).toHaveLength(40);
  // As many as there are requests at a time.
  expect(cluster.sent.filter(({ to }) => to === "ops")).toHaveLength(4);
});

test("Checkpoints in flight delay no notification", async () => {
  cluster.policy("c", { trigger: { manual: {} }, maxInFlight: 1 });
  cluster.policy("p", onRequest);
  for (const name of ["a", "b", "c"]) cluster.pod(name);
  cluster.start();
  await seconds(1);
  for (const name of ["a", "b", "c"]) cluster.request(name);
  await seconds(5);
  expect(await cluster.created()).toHaveLength(1);
  expect(cluster.sent.map((one) => (dataOf(one)["pod"] as { name: string }).name).toSorted()).toEqual([
    "a",
    "b",
    "c",
  ]);
});
