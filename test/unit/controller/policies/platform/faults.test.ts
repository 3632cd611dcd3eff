import { ApiError } from "../../../../../kube";
import { dropped, lost, minutes, MirrorWorld, notSent, RECORD_PATH, refused, seconds } from "./world";

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

describe("faults", () => {
  test.each([
    ["executed", lost],
    ["not executed", dropped],
  ])("the response to the creation is lost, and it was %s: one copy", async (_, fault) => {
    world.faults.create = [fault];
    world.policy();
    world.platform.byUser({ input: 15, resource_list: ["team-b"] });
    world.start();
    await minutes(10);
    expect(world.copies).toHaveLength(1);
    expect(world.status()).toMatchObject({ reason: "Mirrored", platform: { id: world.copies[0]?.id } });
    expect(world.most).toBe(1);
  });

  test("does not adopt a policy that a user creates meanwhile", async () => {
    world.faults.create = [
      (execute) => {
        world.platform.byUser({ input: 15, resource_list: ["team-a"] });
        return lost(execute);
      },
    ];
    world.policy();
    world.start();
    await minutes(30);
    expect(world.status()).toMatchObject({ type: "Failed", reason: "PlatformFailed" });
    expect(world.status().message).toContain("may be its result");
    expect(world.platform.policies.size).toBe(2);
    // The user deletes the one that is not needed: the other one is the copy.
    for (const { id } of world.platform.policies.values())
      if (!world.copies.some((one) => one.id === id)) world.platform.policies.delete(id);
    await minutes(5);
    expect(world.status()).toMatchObject({ reason: "Mirrored", platform: { id: world.copies[0]?.id } });
  });

  test("logs an unknown copy of a deleted policy once", async () => {
    world.faults.create = [
      (execute) => {
        world.platform.byUser({ input: 15, resource_list: ["team-a"] });
        return lost(execute);
      },
    ];
    world.policy();
    world.start();
    await seconds(2);
    await world.remove();
    await minutes(30);
    expect(await world.gauge()).toEqual({ removing: 1 });
    expect(world.platform.policies.size).toBe(2);
    const lines = world.lines.filter((line) => JSON.stringify(line).includes("may be its result"));
    expect(lines).toMatchObject([{ namespace: "team-a", policy: "nightly" }]);
  });

  test.each([
    ["update", { trigger: { heartbeat: { intervalSeconds: 1800 } } }],
    ["delete", { suspend: true }],
  ] as const)("a lost response to %s is repeated without harm", async (operation, change) => {
    world.policy();
    world.start();
    await minutes(2);
    world.faults[operation] = [lost, dropped];
    world.change(change);
    await minutes(15);
    const isDeleted = operation === "delete";
    expect(world.copies.map(({ input }) => input)).toEqual(isDeleted ? [] : [30]);
    const entries = Object.values(world.record) as { heartbeat: number }[];
    expect(entries.map(({ heartbeat }) => heartbeat)).toEqual(isDeleted ? [] : [30]);
  });

  test("an outage delays requests, and does not affect policies that the controller executes", async () => {
    world.pod();
    world.policy(
      { executor: "Controller", trigger: { heartbeat: { intervalSeconds: 600, jitterSeconds: 0 } } },
      "here",
    );
    world.policy();
    world.outage = notSent;
    world.start();
    await minutes(61);
    expect(await world.checkpoints()).toBeGreaterThan(0);
    expect(world.requests.length).toBeLessThan(25);
    expect(world.status()).toMatchObject({ type: "Failed", reason: "PlatformFailed" });
    expect(world.status().message).toMatch(
      /^not compared with the platform since 2026-11-27T12:00:0\d.\d+Z: connect ECONNREFUSED$/,
    );
    world.outage = undefined;
    await minutes(6);
    expect(world.status()).toMatchObject({ reason: "Mirrored" });
  });

  test("a policy that is mirrored stays Ready during a short outage", async () => {
    world.policy();
    world.start();
    await minutes(2);
    world.outage = dropped;
    await minutes(5);
    expect(world.status()).toMatchObject({ type: "Ready", reason: "Mirrored" });
    await minutes(10);
    expect(world.status()).toMatchObject({ type: "Failed", reason: "PlatformFailed" });
  });

  test("429: sends nothing before the time that the platform requests", async () => {
    world.policy();
    world.faults.list = [refused(429, 1_200_000)];
    world.start();
    await seconds(2);
    const count = world.requests.length;
    // A change of a policy does not cut the delay short.
    world.change({ trigger: { heartbeat: { intervalSeconds: 1800 } } });
    await minutes(19);
    expect(world.requests).toHaveLength(count);
    await minutes(2);
    expect(world.copies).toMatchObject([{ input: 30 }]);
  });

  test("429: reports before the next request that nothing was compared for 10 minutes", async () => {
    world.policy();
    world.start();
    await minutes(2);
    world.faults.list = [refused(429, 3_600_000)];
    await minutes(9);
    expect(world.status()).toMatchObject({ type: "Ready", reason: "Mirrored" });
    expect(await world.gauge()).toEqual({ mirrored: 1 });
    await minutes(4);
    expect(world.status()).toMatchObject({ type: "Failed", reason: "PlatformFailed" });
    // The alarm needs it.
    expect(await world.gauge()).toEqual({ failed: 1 });
    await minutes(60);
    expect(world.status()).toMatchObject({ type: "Ready", reason: "Mirrored" });
    expect(await world.gauge()).toEqual({ mirrored: 1 });
  });

  test("401: reports the cause, and tries again with longer delays", async () => {
    world.policy();
    world.outage = refused(401);
    world.start();
    await minutes(1);
    expect(world.status()).toMatchObject({ type: "Progressing", reason: "MirrorPending" });
    expect(world.status().message).toContain("HTTP 401: no");
    await minutes(60);
    expect(world.requests.length).toBeLessThan(25);
    expect(world.status()).toMatchObject({ type: "Failed", reason: "PlatformFailed" });
    expect(await world.gauge()).toEqual({ failed: 1 });
  });

  test("400: the policy is rejected, and another one is mirrored", async () => {
    const first = world.policy({}, "first");
    world.policy({}, "second");
    world.faults.create = [refused(400), refused(400), refused(400), refused(400)];
    world.start();
    await seconds(30);
    // One at a time, in the order of their UIDs.
    expect(world.copies).toEqual([]);
    expect(world.record).toEqual({});
    expect(world.status("first")).toMatchObject({
      type: "Failed",
      reason: "PlatformFailed",
      message: "list: HTTP 400: no",
    });
    await minutes(20);
    expect(world.copies).toHaveLength(2);
    expect(Object.keys(world.record)).toContain(first.metadata.uid);
  });

  test("500 to a creation: creates nothing until it is certain that the first request created nothing", async () => {
    world.policy();
    world.faults.create = [refused(500)];
    world.start();
    await seconds(110);
    expect(world.copies).toEqual([]);
    await minutes(5);
    expect(world.copies).toHaveLength(1);
    expect(world.most).toBe(1);
  });
});

describe("the record", () => {
  test("is deleted: the copy that the status names is not created twice", async () => {
    world.policy();
    const first = world.start();
    await minutes(2);
    first.kill();
    await world.api.send("DELETE", RECORD_PATH);
    world.start();
    await minutes(5);
    expect(world.copies).toHaveLength(1);
    expect(world.status()).toMatchObject({ type: "Failed", reason: "PlatformFailed" });
    expect(world.status().message).toContain(
      "the record of this install does not have it: delete it in the platform",
    );
    world.platform.policies.clear();
    await minutes(5);
    expect(world.status()).toMatchObject({ reason: "Mirrored", platform: { id: world.copies[0]?.id } });
  });

  test.each([
    ["cannot be read", '{"cluster":"x"', "cannot be read: restore it from a backup, or delete it"],
    [
      "is of another cluster",
      '{"cluster":"other","policies":{}}',
      "has the copies of cluster other, and engine.clusterId is ",
    ],
  ])("%s: nothing is requested", async (_, text, message) => {
    world.policy();
    world.api.put(RECORD_PATH.replace(/\/[^/]+$/, ""), {
      metadata: { name: "cedana-platform-policies", namespace: "cedana-system" },
      data: { "policies.json": text },
    } as never);
    world.start();
    await minutes(2);
    expect(world.requests).toEqual([]);
    expect(world.status().message).toContain(message);
  });

  test("a status cannot make the controller delete a policy of another user", async () => {
    const foreign = world.platform.byUser();
    world.policy({ executor: "Controller" });
    world.api.edit(
      "/apis/automation.cedana.ai/v1alpha1/namespaces/team-a/checkpointpolicies/nightly",
      (object) => {
        object["status"] = { platform: { id: foreign.id } };
      },
    );
    world.start();
    await minutes(5);
    await world.remove();
    await minutes(5);
    expect([...world.platform.policies.values()]).toEqual([foreign]);
    expect(new Set(world.requests.map(([operation]) => operation))).toEqual(new Set(["list"]));
  });
});

test("a namespace whose policies the API server denies keeps its copies", async () => {
  world.policy();
  const first = world.start();
  await minutes(2);
  first.kill();
  const { before } = world.api;
  world.api.before = (request) => {
    if (request.path.endsWith("/checkpointpolicies")) throw new ApiError(403, "forbidden");
    return before?.(request);
  };
  world.start();
  await minutes(10);
  expect(world.copies).toHaveLength(1);
  expect(Object.keys(world.record)).toHaveLength(1);
  world.api.before = before;
  await world.remove();
  await minutes(10);
  expect(world.copies).toEqual([]);
});

test("a ClusterCheckpointPolicy has no copy, whatever its status says", async () => {
  world.pod();
  world.api.put("/apis/automation.cedana.ai/v1alpha1/clustercheckpointpolicies", {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "ClusterCheckpointPolicy",
    metadata: { name: "all", generation: 1 },
    spec: {
      trigger: { heartbeat: { intervalSeconds: 600 } },
      filter: { namespaceSelector: {} },
      action: { checkpoint: {} },
      minSpacingSeconds: 60,
      deadlineSeconds: 600,
      maxInFlight: 10,
    },
    status: { platform: { id: "p-1" } },
  } as never);
  world.start();
  await minutes(21);
  expect(await world.checkpoints()).toBeGreaterThan(0);
  expect(world.requests).toEqual([]);
});

describe("an install without the mirror", () => {
  test("executes no policy that names the platform", async () => {
    world.pod();
    world.policy();
    world.start(undefined, { mirror: false });
    await minutes(61);
    expect(await world.checkpoints()).toBe(0);
    expect(world.status()).toMatchObject({ type: "Failed", reason: "InvalidExecutor" });
    expect(world.status().message).toContain(
      "install.policies.platform is not set: nothing executes this policy",
    );
  });

  test("does not execute a policy whose copy an earlier configuration left", async () => {
    world.pod();
    world.policy();
    const first = world.start();
    await minutes(2);
    first.kill();
    world.change({ executor: "Controller" });
    world.start(undefined, { mirror: false });
    await minutes(61);
    expect(await world.checkpoints()).toBe(0);
    expect(world.status().message).toContain(`may still execute the copy ${world.copies[0]?.id}`);
    world.platform.policies.clear();
    world.api.edit(
      "/apis/automation.cedana.ai/v1alpha1/namespaces/team-a/checkpointpolicies/nightly",
      (object) => {
        delete (object["status"] as Record<string, unknown>)["platform"];
      },
    );
    await minutes(61);
    expect(world.status()).toMatchObject({ reason: "Scheduled" });
    expect(await world.checkpoints()).toBeGreaterThan(0);
  });
});
