/**
 * The controller crashes, or a response of the API server is lost, at every single step. Each container is requested from
 * the engine at most once, and an outcome that is not known is recorded as unknown.
 */
import { ApiError } from "../../../../kube/client";
import type { FakeRequest } from "../../../../testbed/fake-api";
import { CHECKPOINTS, seconds, Harness } from "./support";

const CEDANA = { containerName: "a", sandboxName: "counter-0" };

interface Scenario {
  readonly start: (harness: Harness) => Promise<void>;
  /** Checks the outcome, which must be a success if nothing crashed (`mustSucceed`). */
  readonly check: (harness: Harness, mustSucceed: boolean) => void;
}

const outcome = (harness: Harness, name: string, requested: readonly string[], mustSucceed: boolean) => {
  const { reason } = harness.status(name);
  const allowed = mustSucceed ? ["CheckpointCompleted"] : ["CheckpointCompleted", "OutcomeUnknown"];
  expect(allowed).toContain(reason);
  expect(new Set(requested).size).toBe(requested.length);
  expect(reason === "CheckpointCompleted" ? requested : []).toEqual(
    reason === "CheckpointCompleted" ? ["counter-0/a", "counter-0/b"] : [],
  );
};

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "a Checkpoint of two containers": {
    start: (harness) => harness.checkpoint("one"),
    check: (harness, mustSucceed) => outcome(harness, "one", harness.engine.requested, mustSucceed),
  },
  "a Checkpoint that is deleted in flight": {
    start: async (harness) => {
      await harness.checkpoint("one");
      setTimeout(() => void harness.api.send("DELETE", `${CHECKPOINTS}/one`).catch(() => {}), 1_500);
    },
    check: (harness) => {
      expect(harness.api.get(`${CHECKPOINTS}/one`)).toBeUndefined();
      expect(new Set(harness.engine.requested).size).toBe(harness.engine.requested.length);
    },
  },
  "a Cedana with method Checkpoint": {
    start: (harness) => harness.cedana("one", { ...CEDANA, method: "Checkpoint" }),
    check: (harness, mustSucceed) => {
      const { spec, status } = harness.cedanaOf("one");
      expect(harness.engine.requested.length).toBeLessThanOrEqual(1);
      expect(mustSucceed ? ["Done"] : ["Done", "Failed"]).toContain(spec.method);
      expect(status).toMatchObject(
        spec.method === "Done"
          ? { checkpointDone: true, conditions: [{ reason: "CheckpointCompleted" }] }
          : { checkpointDone: false, conditions: [{ reason: "OutcomeUnknown" }] },
      );
    },
  },
  "a Cedana with method Restore": {
    start: async (harness) => {
      const replica = harness.start();
      await harness.checkpoint("good");
      await seconds(3);
      replica.kill();
      await harness.cedana("one", { ...CEDANA, method: "Restore" });
    },
    check: (harness, mustSucceed) => {
      const { spec, status } = harness.cedanaOf("one");
      expect(harness.engine.restores.length).toBeLessThanOrEqual(1);
      expect(mustSucceed ? ["Done"] : ["Done", "Failed"]).toContain(spec.method);
      expect(status).toMatchObject(
        spec.method === "Done"
          ? { restoreDone: true, conditions: [{ reason: "RestoreCompleted" }] }
          : { restoreDone: false, conditions: [{ reason: "OutcomeUnknown" }] },
      );
    },
  },
};

const harnessOf = async (scenario: Scenario): Promise<Harness> => {
  const harness = new Harness();
  harness.pod("counter-0", { containers: ["a", "b"] });
  await scenario.start(harness);
  return harness;
};

beforeEach(() => jest.useFakeTimers({ now: Date.parse("2026-11-21T15:00:00Z") }));
afterEach(() => jest.useRealTimers());

describe.each(Object.entries(SCENARIOS))("%s", (_, scenario) => {
  // A crash before the next step has the same effect: between two steps only memory changes.
  test("never repeats a request when the leader crashes after any step", async () => {
    let steps = 0;
    for (let step = 1; ; step++) {
      const harness = await harnessOf(scenario);
      const first = harness.start({ dieAt: step });
      await seconds(8);
      const died = first.dead;
      first.kill();
      harness.start();
      await seconds(8);
      scenario.check(harness, !died);
      await harness.end();
      if (!died) break;
      steps = step;
    }
    expect(steps).toBeGreaterThanOrEqual(5);
  });

  test.each<[string, (request: FakeRequest) => never]>([
    [
      "lost",
      () => {
        throw new Error("no response within 30 s");
      },
    ],
    [
      "a 500",
      () => {
        throw new ApiError(500, "etcdserver: request timed out");
      },
    ],
  ])("never repeats a request when the response to any request is %s", async (_name, fault) => {
    let count = 0;
    for (let number = 1; ; number++) {
      const harness = await harnessOf(scenario);
      let seen = 0;
      harness.api.after = (request) => {
        if (
          request.method !== "WATCH" &&
          request.query["limit"] === undefined &&
          request.method !== "DELETE" &&
          ++seen === number
        )
          fault(request);
      };
      harness.start();
      await seconds(10);
      harness.api.after = undefined;
      scenario.check(harness, true);
      await harness.end();
      if (seen < number) break;
      count = number;
    }
    expect(count).toBeGreaterThan(3);
  });
});
