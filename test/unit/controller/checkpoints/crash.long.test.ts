/**
 * The controller crashes, or a response of the API server is lost, at every single step. Each container is requested from
 * the engine at most once, and an outcome that is not known is recorded as unknown.
 */
import { ApiError } from "../../../../kube/client";
import type { FakeRequest } from "../../../support/fake-api";
import { CHECKPOINTS, seconds, World } from "./support";

const CEDANA = { containerName: "a", sandboxName: "counter-0" };

interface Story {
  readonly begin: (world: World) => Promise<void>;
  /** Checks the outcome, which must be a success if nothing crashed (`calm`). */
  readonly check: (world: World, calm: boolean) => void;
}

const outcome = (world: World, name: string, requested: readonly string[], calm: boolean) => {
  const { reason } = world.status(name);
  const allowed = calm ? ["CheckpointCompleted"] : ["CheckpointCompleted", "OutcomeUnknown"];
  expect(allowed).toContain(reason);
  expect(new Set(requested).size).toBe(requested.length);
  expect(reason === "CheckpointCompleted" ? requested : []).toEqual(
    reason === "CheckpointCompleted" ? ["counter-0/a", "counter-0/b"] : [],
  );
};

const STORIES: Readonly<Record<string, Story>> = {
  "a Checkpoint of two containers": {
    begin: (world) => world.checkpoint("one"),
    check: (world, calm) => outcome(world, "one", world.engine.requested, calm),
  },
  "a Checkpoint that is deleted in flight": {
    begin: async (world) => {
      await world.checkpoint("one");
      setTimeout(() => void world.api.send("DELETE", `${CHECKPOINTS}/one`).catch(() => {}), 1_500);
    },
    check: (world) => {
      expect(world.api.get(`${CHECKPOINTS}/one`)).toBeUndefined();
      expect(new Set(world.engine.requested).size).toBe(world.engine.requested.length);
    },
  },
  "a Cedana with method Checkpoint": {
    begin: (world) => world.cedana("one", { ...CEDANA, method: "Checkpoint" }),
    check: (world, calm) => {
      const { spec, status } = world.cedanaOf("one");
      expect(world.engine.requested.length).toBeLessThanOrEqual(1);
      expect(calm ? ["Done"] : ["Done", "Failed"]).toContain(spec.method);
      expect(status).toMatchObject(
        spec.method === "Done"
          ? { checkpointDone: true, conditions: [{ reason: "CheckpointCompleted" }] }
          : { checkpointDone: false, conditions: [{ reason: "OutcomeUnknown" }] },
      );
    },
  },
  "a Cedana with method Restore": {
    begin: async (world) => {
      const replica = world.start();
      await world.checkpoint("good");
      await seconds(3);
      replica.kill();
      await world.cedana("one", { ...CEDANA, method: "Restore" });
    },
    check: (world, calm) => {
      const { spec, status } = world.cedanaOf("one");
      expect(world.engine.restores.length).toBeLessThanOrEqual(1);
      expect(calm ? ["Done"] : ["Done", "Failed"]).toContain(spec.method);
      expect(status).toMatchObject(
        spec.method === "Done"
          ? { restoreDone: true, conditions: [{ reason: "RestoreCompleted" }] }
          : { restoreDone: false, conditions: [{ reason: "OutcomeUnknown" }] },
      );
    },
  },
};

const worldOf = async (story: Story): Promise<World> => {
  const world = new World();
  world.pod("counter-0", { containers: ["a", "b"] });
  await story.begin(world);
  return world;
};

beforeEach(() => jest.useFakeTimers({ now: Date.parse("2026-11-21T15:00:00Z") }));
afterEach(() => jest.useRealTimers());

describe.each(Object.entries(STORIES))("%s", (_, story) => {
  // A crash before the next step has the same effect: between two steps only memory changes.
  test("never repeats a request when the leader crashes after any step", async () => {
    let steps = 0;
    for (let step = 1; ; step++) {
      const world = await worldOf(story);
      const first = world.start({ dieAt: step });
      await seconds(8);
      const died = first.dead;
      first.kill();
      world.start();
      await seconds(8);
      story.check(world, !died);
      await world.end();
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
      const world = await worldOf(story);
      let seen = 0;
      world.api.after = (request) => {
        if (
          request.method !== "WATCH" &&
          request.query["limit"] === undefined &&
          request.method !== "DELETE" &&
          ++seen === number
        )
          fault(request);
      };
      world.start();
      await seconds(10);
      world.api.after = undefined;
      story.check(world, true);
      await world.end();
      if (seen < number) break;
      count = number;
    }
    expect(count).toBeGreaterThan(3);
  });
});
