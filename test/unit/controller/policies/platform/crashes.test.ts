import { lost, minutes, MirrorWorld, seconds } from "./world";

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

/** Steps of a creation, a change and a deletion: record, request, record of each, and writes of the status. */
const STEPS = 16;

test.each(Array.from({ length: STEPS }, (_, index) => index + 1))(
  "a process that dies at step %i leaves one copy of a policy, and none of a deleted one",
  async (dieAt) => {
    const foreign = world.platform.byUser({ resource_list: ["team-b"] });
    world.policy();
    let dead = world.start(dieAt);
    const replace = () => {
      if (dead.dead) dead = world.start();
    };
    const pass = async (expected: object[]) => {
      await minutes(2);
      replace();
      await minutes(5);
      expect(world.copies).toMatchObject(expected);
    };
    await pass([{ input: 15 }]);
    world.change({ trigger: { heartbeat: { intervalSeconds: 1800 } } });
    await pass([{ input: 30 }]);
    await world.remove();
    await pass([]);
    expect(world.record).toEqual({});
    expect(world.most).toBe(1);
    expect([...world.platform.policies.values()]).toEqual([foreign]);
  },
);

test("a policy that is resumed after a process deleted its copy and died gets another copy", async () => {
  world.policy();
  const first = world.start();
  await minutes(2);
  first.kill();
  world.change({ suspend: true });
  const second = world.start();
  world.faults.delete = [
    (execute) => {
      second.kill();
      return execute();
    },
  ];
  await seconds(5);
  expect([second.dead, world.copies]).toEqual([true, []]);
  world.change({ suspend: false });
  world.start();
  await minutes(3);
  expect(world.copies).toHaveLength(1);
  expect(world.status()).toMatchObject({ reason: "Mirrored", platform: { id: world.copies[0]?.id } });
});

test("does not repeat a creation that is still executed when the clock of the next process is behind", async () => {
  world.policy();
  const first = world.start();
  world.faults.create = [
    (execute) => {
      first.kill();
      setTimeout(execute, 20_000);
      return lost(() => "");
    },
  ];
  await seconds(5);
  expect([first.dead, world.copies]).toEqual([true, []]);
  jest.setSystemTime(Date.now() - 30_000);
  world.start();
  await minutes(5);
  expect(world.most).toBe(1);
  expect(world.status()).toMatchObject({ reason: "Mirrored", platform: { id: world.copies[0]?.id } });
});

test("a response is lost, then the process dies", async () => {
  world.faults.create = [lost];
  world.policy();
  // The record of the creation, and the request.
  const first = world.start(2);
  await minutes(1);
  expect(first.dead).toBe(true);
  world.start();
  await minutes(3);
  expect(world.copies).toHaveLength(1);
  expect(world.status()).toMatchObject({ reason: "Mirrored", platform: { id: world.copies[0]?.id } });
});
