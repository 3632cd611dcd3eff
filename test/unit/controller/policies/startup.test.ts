import { MINUTE, START, World } from "./support";

const startup = (settings: object = {}) => ({ trigger: { startup: { readySeconds: 30, ...settings } } });
const started = (world: World) => world.starts.map(({ pod }) => pod);
/** A pod that has been Ready since a time, of a revision. */
const ready = (readySinceMs: number, id = "rs-1/abc") => ({ readySinceMs, revision: { id, name: "web" } });

test("checkpoints one pod of a revision, when it has been Ready for the time", () => {
  const world = new World();
  world.policy("p", startup());
  world.pod("a", { revision: { id: "rs-1/abc", name: "web" } });
  world.pass(MINUTE);
  expect(world.starts).toEqual([]);
  world.pod("a", ready(world.nowMs));
  world.pod("b", ready(world.nowMs + 1000));
  world.pass(5 * MINUTE);
  expect(world.starts).toEqual([
    expect.objectContaining({ pod: "a", dueMs: START + 90_000, atMs: START + 90_000 }),
  ]);
  expect(world.outcomes.map(({ pod, outcome }) => [pod, outcome])).toEqual([
    ["a", "started"],
    ["b", "covered"],
  ]);
  // Another template of the Deployment, and another Deployment.
  world.pod("c", ready(world.nowMs, "rs-2/def"));
  world.pod("d", ready(world.nowMs, "rs-3/abc"));
  world.pass(5 * MINUTE);
  expect(started(world)).toEqual(["a", "c", "d"]);
});

test("checkpoints each pod, with oncePer Pod", () => {
  const world = new World();
  world.policy("p", startup({ oncePer: "Pod" }));
  for (const pod of ["a", "b"]) world.pod(pod, ready(world.nowMs));
  world.pass(5 * MINUTE);
  expect(started(world)).toEqual(["a", "b"]);
});

test("a pod that loses its readiness begins again, and one that was checkpointed is not due again", () => {
  const world = new World();
  world.policy("p", startup());
  world.pod("a", ready(world.nowMs));
  world.pass(20_000);
  world.pod("a", { revision: { id: "rs-1/abc", name: "web" } });
  world.pass(MINUTE);
  expect(world.starts).toEqual([]);
  world.pod("a", ready(world.nowMs));
  world.pass(MINUTE);
  expect(started(world)).toEqual(["a"]);
  world.pod("a", ready(world.nowMs));
  world.pass(5 * MINUTE);
  expect(started(world)).toEqual(["a"]);
});

test("a new leader loses no pod that became Ready meanwhile, and checkpoints no revision twice", () => {
  const world = new World();
  world.policy("p", startup());
  world.pod("a", ready(world.nowMs));
  world.pass(20_000);
  world.changeLeader(MINUTE);
  world.pass(MINUTE);
  expect(world.starts).toEqual([expect.objectContaining({ pod: "a", dueMs: START + 30_000 })]);
  world.changeLeader(1000);
  world.pod("b", ready(world.nowMs));
  world.pass(5 * MINUTE);
  expect(started(world)).toEqual(["a"]);
});

test("a failed checkpoint is repeated with the next pod of the revision, 10 times at most", () => {
  const world = new World({ fails: () => true });
  world.policy("p", startup());
  for (let pod = 0; pod < 12; pod++) {
    world.pod(`pod-${pod}`, ready(world.nowMs));
    world.pass(2 * MINUTE);
  }
  expect(started(world)).toEqual(Array.from({ length: 10 }, (_, pod) => `pod-${pod}`));
  expect(world.engine.view("p")?.failures).toHaveLength(10);
  expect(world.outcomes.slice(-2).map(({ outcome }) => outcome)).toEqual(["covered", "covered"]);
});

test("a revision gets no second Checkpoint when its failed first attempt is deleted", () => {
  let count = 0;
  const world = new World({ fails: () => count++ < 2 });
  world.policy("p", startup());
  for (const pod of ["a", "b", "c"]) {
    world.pod(pod, ready(world.nowMs));
    world.pass(2 * MINUTE);
  }
  expect(started(world)).toEqual(["a", "b", "c"]);
  const [key] = world.keys();
  world.delete(key);
  world.pod("d", ready(world.nowMs));
  world.pass(5 * MINUTE);
  expect(started(world)).toEqual(["a", "b", "c"]);
});

test("the name of a failed attempt that was deleted is used again", () => {
  const world = new World({ fails: () => true });
  world.policy("p", startup());
  for (const pod of ["a", "b"]) {
    world.pod(pod, ready(world.nowMs));
    world.pass(2 * MINUTE);
  }
  const [first] = world.keys();
  world.delete(first);
  world.pod("c", ready(world.nowMs));
  world.pass(2 * MINUTE);
  expect(started(world)).toEqual(["a", "b", "c"]);
  expect(world.keys()).toContain(first);
});

test("of pods that are due at the same time, one starts, also if its Checkpoint is not in the cache yet", () => {
  const world = new World({ createMs: 5000 });
  world.policy("p", { ...startup(), maxInFlight: 1 });
  for (let pod = 0; pod < 20; pod++) world.pod(`pod-${pod}`, ready(world.nowMs));
  world.pass(5 * MINUTE);
  expect(world.starts).toHaveLength(1);
  expect(world.outcomes.filter(({ outcome }) => outcome === "covered")).toHaveLength(19);
});

test("makes up no pod that was Ready before the policy", () => {
  const world = new World();
  world.pod("a", ready(START));
  world.pass(10 * MINUTE);
  world.policy("p", startup(), { sinceMs: world.nowMs });
  world.pass(10 * MINUTE);
  expect(world.starts).toEqual([]);
});

test.each([undefined, { oncePer: "Pod" }])(
  "an ordinary pod, which is Pending first, and then Running and Ready at once, is due: %j",
  (settings) => {
    const world = new World();
    world.policy("p", { trigger: { startup: settings ?? {} } });
    world.pod("a", { phase: "Pending", runningSinceMs: undefined });
    world.pass(10_700);
    // The API server cuts off the fraction of the second.
    const readySinceMs = world.nowMs - 700;
    world.pod("a", ready(readySinceMs));
    world.pass(MINUTE);
    expect(world.starts).toEqual([expect.objectContaining({ pod: "a", dueMs: readySinceMs })]);
  },
);

test("a Checkpoint of another client just before delays it, and does not replace it", () => {
  const world = new World();
  world.policy("p", { trigger: { startup: {} } });
  world.pod("a", { revision: { id: "rs-1/abc", name: "web" } });
  world.pass(10_000);
  world.checkpoint("team-a/a");
  world.pass(20_000);
  world.pod("a", ready(world.nowMs - 1000));
  world.pass(5 * MINUTE);
  expect(world.starts).toEqual([
    expect.objectContaining({ pod: "a", dueMs: START + 29_000, atMs: START + 70_000 }),
  ]);
});

test("a pod that matches later than deadlineSeconds after it was Ready is not due", () => {
  const world = new World();
  world.policy("p", { trigger: { startup: {} }, filter: { pods: { matchLabels: { app: "web" } } } });
  world.pod("a", ready(world.nowMs + 1000));
  world.pass(11 * MINUTE);
  world.pod("a", { ...ready(START + 1000), labels: { app: "web" } });
  world.pass(5 * MINUTE);
  expect(world.starts).toEqual([]);
});
