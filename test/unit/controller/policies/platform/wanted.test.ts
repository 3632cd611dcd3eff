import type * as Install from "../../../../../config/install";
import { checkPolicy } from "../../../../../config/install";
import { minutes, MirrorWorld, seconds } from "./world";

jest.mock("../../../../../config/install", () => {
  const actual = jest.requireActual<typeof Install>("../../../../../config/install");
  return { ...actual, checkPolicy: jest.fn(actual.checkPolicy) };
});

beforeEach(() => void jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") }));
afterEach(() => void jest.useRealTimers());

// It takes more than a millisecond: 1,000 policies would stop the controller for a second in each comparison.
test("a policy is checked once for each generation, not in each comparison", async () => {
  const world = new MirrorWorld();
  const checks = jest.mocked(checkPolicy);
  world.policy();
  world.start();
  await minutes(10);
  expect(world.requests.length).toBeGreaterThan(8);
  expect(checks).toHaveBeenCalledTimes(1);
  world.change({ trigger: { heartbeat: { intervalSeconds: 1800 } } });
  await minutes(2);
  expect(checks).toHaveBeenCalledTimes(2);
  expect(world.copies).toMatchObject([{ input: 30 }]);
  world.stop();
  await seconds(0);
});
