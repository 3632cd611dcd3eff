import * as fc from "fast-check";
import { assertAsyncProperty } from "../../../../support/property";
import { dropped, lost, minutes, MirrorWorld, notSent, refused, seconds } from "./world";

beforeEach(() => void jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") }));
afterEach(() => void jest.useRealTimers());

const ACTIONS = ["interval", "suspend", "executor", "delete", "create", "nothing"] as const;
const FAULTS = {
  lost,
  dropped,
  notSent,
  rejected: refused(400),
  failed: refused(500),
  busy: refused(429, 30_000),
};

const step = fc.record({
  action: fc.constantFrom(...ACTIONS),
  /** Until the next step. */
  afterSeconds: fc.integer({ min: 1, max: 400 }),
  /** Steps after which the process dies. 0: it does not. */
  dieAt: fc.oneof(
    { weight: 2, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 6 }) },
  ),
  fault: fc.option(
    fc.tuple(fc.constantFrom("list", "create", "update", "delete"), fc.constantFrom(...Object.keys(FAULTS))),
  ),
});

test("after random changes, faults and crashes, the platform has exactly one copy of each policy that it executes, and no policy is executed twice", async () => {
  await assertAsyncProperty(
    fc.asyncProperty(
      fc.array(step, { minLength: 3, maxLength: 8 }),
      fc.constantFrom("report", "correct"),
      run,
    ),
    100,
  );
}, 600_000);

async function run(
  steps: readonly {
    action: (typeof ACTIONS)[number];
    afterSeconds: number;
    dieAt: number;
    fault: readonly [string, string] | null;
  }[],
  drift: string,
): Promise<void> {
  const world = new MirrorWorld({ drift: drift as "report" });
  const foreign = [world.platform.byUser({ resource_list: ["team-b"] }), world.platform.byUser({ input: 7 })];
  world.pod();
  let wanted: { input: number; suspend: boolean; executor: string } | undefined;
  let leader = world.start();
  for (const { action, afterSeconds, dieAt, fault } of steps) {
    if (fault) {
      const [operation, name] = fault as ["create", keyof typeof FAULTS];
      (world.faults[operation] ??= []).push(FAULTS[name]);
    }
    if (dieAt > 0) {
      leader.kill();
      leader = world.start(dieAt);
    }
    if (action === "create" && !wanted) {
      wanted = { input: 15, suspend: false, executor: "Platform" };
      world.policy();
    } else if (wanted && action === "delete") {
      wanted = undefined;
      await world.remove();
    } else if (wanted && action !== "nothing") {
      if (action === "interval") wanted.input = wanted.input === 15 ? 30 : 15;
      if (action === "suspend") wanted.suspend = !wanted.suspend;
      if (action === "executor") wanted.executor = wanted.executor === "Platform" ? "Controller" : "Platform";
      const { suspend, executor, input } = wanted;
      world.change({ suspend, executor, trigger: { heartbeat: { intervalSeconds: input * 60 } } });
    }
    await seconds(afterSeconds);
  }
  for (const name of Object.keys(world.faults)) delete world.faults[name as "list"];
  leader.kill();
  world.start();
  await minutes(20);
  const isCopied = wanted && wanted.executor === "Platform" && !wanted.suspend;
  expect(world.copies).toMatchObject(isCopied ? [{ input: wanted?.input, resource_list: ["team-a"] }] : []);
  expect(Object.values(world.record)).toHaveLength(isCopied ? 1 : 0);
  const reason = isCopied ? "Mirrored" : wanted?.suspend ? "Suspended" : "Scheduled";
  expect(world.status().reason).toBe(wanted && reason);
  expect(world.doubles).toEqual([]);
  for (const one of foreign) expect(world.platform.policies.get(one.id)).toEqual(one);
  expect(world.most).toBeLessThan(2);
  world.stop();
  await seconds(0);
}
