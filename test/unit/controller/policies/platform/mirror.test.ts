import { minutes, MirrorWorld, notSent, RECORD_PATH, refused, seconds } from "./world";

let world: MirrorWorld;
beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") });
  world = new MirrorWorld();
});
afterEach(async () => {
  world.stop();
  await seconds(0);
  jest.useRealTimers();
});

test("a copy is created, and the controller does not execute the policy", async () => {
  world.pod();
  world.policy();
  const foreign = world.platform.byUser();
  world.start();
  await minutes(61);
  const [copy, ...others] = world.copies;
  expect(others).toEqual([]);
  expect(copy).toMatchObject({ input: 15, resource: "namespace", resource_list: ["team-a"] });
  expect(world.status()).toMatchObject({
    type: "Ready",
    reason: "Mirrored",
    message: `Cedana's platform executes it as policy ${copy?.id}`,
    platform: { id: copy?.id, state: "active", pods: 2 },
  });
  expect(world.status().matchedPods).toBeUndefined();
  expect(await world.checkpoints()).toBe(0);
  expect(world.platform.policies.get(foreign.id)).toEqual(foreign);
  expect(world.events.map(({ reason, type }) => `${type} ${reason}`)).toEqual(["Normal Mirrored"]);
  expect(await world.gauge()).toEqual({ mirrored: 1 });
  // One list a minute, and one creation.
  expect(world.requests.filter(([operation]) => operation === "create")).toHaveLength(1);
  expect(world.requests.length).toBeLessThan(66);
});

test("without a mirrored policy, sends no request and writes no record", async () => {
  world.pod();
  world.policy({ executor: "Controller" });
  world.start();
  await minutes(31);
  expect(world.requests).toEqual([]);
  expect(world.api.get(RECORD_PATH)).toBeUndefined();
  expect(await world.checkpoints()).toBeGreaterThan(0);
});

test("a change of the interval changes the copy", async () => {
  world.policy();
  world.start();
  await minutes(2);
  const [before] = world.copies;
  world.change({ trigger: { heartbeat: { intervalSeconds: 1800 } } });
  await seconds(5);
  expect(world.copies).toMatchObject([{ id: before?.id, input: 30 }]);
  await minutes(2);
  expect(world.status()).toMatchObject({ reason: "Mirrored" });
});

test("a policy that is changed to the controller during a comparison gets no copy", async () => {
  world.policy();
  world.faults.list = [
    (execute) => {
      world.change({ executor: "Controller" });
      return execute();
    },
  ];
  world.start();
  await minutes(5);
  expect(world.requests.filter(([operation]) => operation !== "list")).toEqual([]);
  expect(world.status()).toMatchObject({ reason: "Scheduled" });
});

test("changes of policies that the controller executes cause no comparison", async () => {
  world.policy({ executor: "Controller" }, "here");
  world.policy();
  world.start();
  await minutes(2);
  const before = world.requests.length;
  for (let count = 1; count <= 15; count++) {
    world.change({ trigger: { heartbeat: { intervalSeconds: 900 + count } } }, "here");
    await seconds(2);
  }
  expect(world.requests.length - before).toBeLessThan(2);
});

test("writes the interval in seconds if that is the unit of heartbeats", async () => {
  world = new MirrorWorld({ heartbeatUnit: "seconds" });
  world.policy();
  world.start();
  await minutes(1);
  expect(world.copies).toMatchObject([{ input: 900 }]);
});

test("a suspended policy has no copy, and a resumed one has another", async () => {
  world.policy();
  world.start();
  await minutes(2);
  world.change({ suspend: true });
  await minutes(1);
  expect(world.copies).toEqual([]);
  expect(world.record).toEqual({});
  await minutes(1);
  expect(world.status()).toMatchObject({ type: "Ready", reason: "Suspended" });
  expect(world.status().platform).toBeUndefined();
  world.change({ suspend: false });
  await minutes(2);
  expect(world.copies).toHaveLength(1);
  expect(world.status()).toMatchObject({ reason: "Mirrored" });
});

test("the deletion of a policy deletes its copy, and does not wait for the platform", async () => {
  world.policy();
  world.start();
  await minutes(2);
  world.outage = notSent;
  await world.remove();
  await minutes(10);
  expect(world.copies).toHaveLength(1);
  expect(await world.gauge()).toEqual({ removing: 1 });
  world.outage = undefined;
  await minutes(6);
  expect(world.copies).toEqual([]);
  expect(world.record).toEqual({});
  expect(await world.gauge()).toEqual({});
});

test("the controller executes a policy again once the platform has no copy", async () => {
  world.pod();
  world.policy();
  world.start();
  await minutes(2);
  world.outage = refused(503);
  world.change({ executor: "Controller" });
  await minutes(40);
  // The platform may still execute it.
  expect(await world.checkpoints()).toBe(0);
  expect(world.status()).toMatchObject({ type: "Failed", reason: "PlatformFailed" });
  world.outage = undefined;
  await minutes(40);
  expect(world.copies).toEqual([]);
  expect(world.status()).toMatchObject({ reason: "Scheduled", matchedPods: 1 });
  expect(world.status().platform).toBeUndefined();
  expect(await world.checkpoints()).toBeGreaterThan(0);
  expect(world.doubles).toEqual([]);
});

describe("drift", () => {
  test.each([
    ["another interval", { input: 5 }, "input is 5 instead of 15"],
    ["another namespace", { resource_list: ["team-b"] }, "resource_list is team-b instead of team-a"],
    [
      "pods",
      { resource: "pods", resource_list: [] },
      "resource is pods instead of namespace, resource_list is missing instead of team-a",
    ],
  ])("is reported: %s", async (_, change, text) => {
    world.policy();
    world.start();
    await minutes(2);
    const [copy] = world.copies;
    world.platform.policies.set(copy!.id, { ...copy!, ...change });
    await minutes(3);
    expect(world.status()).toMatchObject({ type: "Failed", reason: "Drifted" });
    expect(world.status().message).toContain(`policy ${copy?.id} was changed in the platform: ${text}`);
    expect(world.copies).toMatchObject([change]);
    expect(await world.gauge()).toEqual({ drifted: 1 });
    expect(world.events.map(({ reason }) => reason)).toEqual(["Mirrored", "Drifted"]);
    world.platform.policies.set(copy!.id, copy!);
    await minutes(2);
    expect(world.status()).toMatchObject({ type: "Ready", reason: "Mirrored" });
  });

  test("a deleted copy is reported, and written again after suspend and resume", async () => {
    world.pod();
    world.policy();
    world.start();
    await minutes(2);
    world.platform.policies.clear();
    await minutes(30);
    expect(world.status()).toMatchObject({ type: "Failed", reason: "Drifted" });
    expect(world.status().message).toContain("nothing executes this one");
    expect(world.copies).toEqual([]);
    expect(await world.checkpoints()).toBe(0);
    world.change({ suspend: true });
    await minutes(2);
    world.change({ suspend: false });
    await minutes(2);
    expect(world.copies).toHaveLength(1);
    expect(world.status()).toMatchObject({ reason: "Mirrored" });
  });

  test("is corrected if the install enables it, with growing delays if it returns", async () => {
    world = new MirrorWorld({ drift: "correct" });
    world.policy();
    world.start();
    await minutes(2);
    world.platform.policies.clear();
    await minutes(2);
    const [copy] = world.copies;
    expect(copy).toMatchObject({ input: 15 });
    await minutes(2);
    expect(world.status()).toMatchObject({ reason: "Mirrored" });
    const corrections = () => world.requests.filter(([operation]) => operation === "update").length;
    // The platform does not keep what is written.
    world.platform.changes = (policy) => ({ ...policy, input: 7 });
    world.platform.policies.clear();
    await minutes(6 * 60);
    expect(corrections()).toBeGreaterThan(5);
    expect(corrections()).toBeLessThan(20);
    expect(world.status()).toMatchObject({ type: "Failed", reason: "Drifted" });
  });
});

test("reports which fields the platform cannot express, and creates no copy", async () => {
  world.policy({ trigger: { heartbeat: { cron: "0 3 * * *" } }, filter: { pods: {} }, maxInFlight: 5 });
  world.start();
  await minutes(2);
  expect(world.status()).toMatchObject({ type: "Failed", reason: "InvalidExecutor" });
  for (const text of [
    "trigger cannot be mirrored: Cedana's platform supports only heartbeat.intervalSeconds, not cron or other triggers",
    "filter cannot be mirrored",
    "minSpacingSeconds, deadlineSeconds and maxInFlight cannot be mirrored",
  ])
    expect(world.status().message).toContain(text);
  expect(world.requests).toEqual([]);
});
