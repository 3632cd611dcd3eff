/** Restores in sandbox pods, which verify Checkpoints. */
import { CRIU, Harness, running, seconds } from "./harness";

let harness: Harness;
beforeEach(() => jest.useFakeTimers({ doNotFake: ["nextTick", "queueMicrotask"] }));
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

test("a pod that verifies a Checkpoint reads all of it, and its failure is no failure of the Checkpoint's restores", async () => {
  harness = new Harness({ ...CRIU, restore: { restart: "again", lazy: true, timeoutSeconds: 60 } });
  harness.claim();
  await harness.lead();
  const annotations = { "cedana.ai/restore-shared": "true", "cedana.ai/restore-fallback": "stop" };
  const labels = { "cedana.ai/verification": "uid-policy" };
  const { uid: own } = harness.pod().metadata;
  const { uid } = harness.pod({ name: "verify-web-0", annotations, labels }).metadata;
  await seconds(1);
  expect(harness.request(uid)).toMatchObject({ spec: { restart: "fresh", lazy: false, fallback: "stop" } });
  harness.report(uid, "RestoreFailed");
  await seconds(1);
  expect(harness.restore).toMatchObject({ state: "Claimed", podUID: own });
  harness.report(own, "Restored");
  harness.setStatus(running, "Running");
  await seconds(1);
  expect(harness.restore).toMatchObject({ state: "Restored", podUID: own });
  expect(harness.reports()).toEqual(["Normal Restored: resumed from Checkpoint before"]);
});
