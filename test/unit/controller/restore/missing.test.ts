/** A Checkpoint whose artifact a node did not find: it is no longer Ready, and `latest` does not select it. */
import type { CheckpointStatus } from "../../../../api";
import { phaseOf } from "../../../../controller/checkpoints/state";
import { CHECKPOINTS, Harness, running, seconds } from "./harness";
import { checkpoint, decided } from "./support";

let harness: Harness;
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["nextTick", "queueMicrotask"] });
  harness = new Harness();
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

const status = () => harness.api.get(`${CHECKPOINTS}/before`)?.["status"] as CheckpointStatus;
const holding = () =>
  status()
    .conditions?.filter((one) => one.status === "True")
    .map(({ type, reason, message }) => `${type} ${reason}: ${message}`);

/** Reports a restore of a new pod, as its node does. */
async function restore(name: string, reason: "StartedFresh" | "Restored", cause?: string): Promise<void> {
  harness.claim("c-1", name);
  const { uid } = harness.pod({ name }).metadata;
  await seconds(2);
  harness.report(uid, reason, "there is no plan: x is not in the registry", cause);
  await seconds(5);
}

test("a Checkpoint whose artifact is missing reports it, and is Ready again after a restore", async () => {
  await harness.lead();
  await restore("web-0", "StartedFresh", "CheckpointMissing");
  expect(status().restore).toMatchObject({ state: "Failed" });
  expect(holding()).toEqual(["Stalled ImageNotFound: there is no plan: x is not in the registry"]);
  expect(phaseOf(status())).toBe("missing");
  // A user pushes the artifact again, and removes the outcome.
  harness.edit((changed) => delete changed["restore"]);
  harness.api.remove("/api/v1/namespaces/team-a/pods/web-0");
  await seconds(2);
  await restore("web-0", "Restored");
  harness.setStatus(running, "Running");
  await seconds(5);
  expect(status().restore).toMatchObject({ state: "Restored" });
  expect(holding()).toEqual(["Ready CheckpointCompleted: its artifact was found again"]);
});

test("another failure leaves the Checkpoint Ready", async () => {
  await harness.lead();
  await restore("web-0", "StartedFresh", "CRIUFailed");
  expect(status().restore).toMatchObject({ state: "Failed" });
  expect(phaseOf(status())).toBe("completed");
});

test("latest does not select it, and a pod that names it tries again", () => {
  const conditions = [
    { type: "Ready", status: "False", reason: "ImageNotFound", message: "gone", lastTransitionTime: "" },
  ];
  const all = [
    checkpoint({ name: "old", minutes: 1 }),
    checkpoint({ name: "new", minutes: 2, status: { conditions } }),
  ];
  const chosen = (from: string) => {
    const decision = decided({ annotations: { "cedana.ai/restore-from": from } }, all);
    return decision.is === "restore" ? decision.checkpoint.metadata.name : decision.reason;
  };
  expect(chosen("latest")).toBe("old");
  expect(chosen("new")).toBe("new");
});
