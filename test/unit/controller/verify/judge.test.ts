/** The state machine of one verification, on a virtual clock. */
import { judge, type RunningSince, type Step } from "../../../../controller/verify/judge";
import type { Progress } from "../../../../controller/restore/outcome/progress";
import { CREATED, inState, sandbox } from "./support";

type Given = Parameters<typeof sandbox>;
const RUNNING = inState({ running: {} });
const READY = { ...RUNNING, conditions: [{ type: "ContainersReady", status: "True" }] };
const RESTORED: Progress = { is: "restored" };
const PENDING: Progress = { is: "pending" };

/** Judges at a time after the creation, seconds. */
const at = (seconds: number, status: object, progress: Progress, more: Given[0] = {}, since?: RunningSince) =>
  judge(sandbox(more, { status }), progress, CREATED + seconds * 1000, since);
const is = (outcome: string, reason: string) =>
  expect.objectContaining({ is: "done", outcome, reason }) as Step;

test("runs for runSeconds after this process saw it run, then it is verified", () => {
  const first = at(40, RUNNING, RESTORED);
  expect(first).toEqual({ is: "wait", untilMs: CREATED + 70_000, runningSinceMs: CREATED + 40_000 });
  expect(at(69, RUNNING, RESTORED, {}, CREATED + 40_000)).toMatchObject({
    is: "wait",
    untilMs: CREATED + 70_000,
  });
  expect(at(70, RUNNING, RESTORED, {}, CREATED + 40_000)).toEqual(is("Verified", "Running"));
});

test("the time that it ran counts from zero in a new process, and after it was not running", () => {
  expect(at(90, RUNNING, RESTORED)).toMatchObject({ is: "wait", runningSinceMs: CREATED + 90_000 });
  const waiting = inState({ waiting: { reason: "CrashLoopBackOff" } });
  expect(at(90, waiting, RESTORED, {}, CREATED)).toMatchObject({ is: "wait", runningSinceMs: undefined });
});

test("a container that runs is not enough: the node must report the restore", () => {
  const silent: Progress = { is: "silent", message: "no report", graceMs: 60_000 };
  for (const progress of [PENDING, silent]) {
    expect(at(500, RUNNING, progress)).toMatchObject({ is: "wait", runningSinceMs: undefined });
    expect(at(600, RUNNING, progress)).toEqual(is("Skipped", "NotRestored"));
  }
});

test("with a probe, the containers must be ready before the time is over", () => {
  const probe = { hasProbe: true };
  expect(at(80, RUNNING, RESTORED, probe, CREATED)).toMatchObject({ is: "wait", untilMs: CREATED + 600_000 });
  expect(at(80, READY, RESTORED, probe, CREATED)).toEqual(is("Verified", "ProbeSucceeded"));
  expect(at(20, READY, RESTORED, probe, CREATED)).toMatchObject({ is: "wait", untilMs: CREATED + 30_000 });
  expect(at(600, RUNNING, RESTORED, probe, CREATED)).toEqual(is("Failed", "ProbeFailed"));
});

test.each([
  ["ended well", inState({ terminated: { exitCode: 0, reason: "Completed" } }, {}, { phase: "Succeeded" })],
  ["ended with an error", inState({ terminated: { exitCode: 1, reason: "Error" } })],
  [
    "was started again",
    inState({ running: {} }, { lastState: { terminated: { exitCode: 2, reason: "Error" } } }),
  ],
])("a restored container that %s has failed", (_, status) => {
  expect(at(50, status, RESTORED, {}, CREATED)).toEqual(is("Failed", "Exited"));
});

test("a creation that failed before the restore is no exit", () => {
  const earlier = { lastState: { terminated: { exitCode: 128, reason: "StartError" } } };
  expect(at(50, inState({ running: {} }, earlier), RESTORED, {}, CREATED)).toEqual(is("Verified", "Running"));
});

test.each([
  ["CRIUFailed", "Failed"],
  ["Incompatible", "Failed"],
  ["CheckpointInvalid", "Failed"],
  ["CheckpointMissing", "Failed"],
  ["FilesNotRestored", "Failed"],
  ["MemoryLost", "Failed"],
  ["PlanMissing", "Skipped"],
  ["DeadlineExceeded", "Failed"],
  ["Interrupted", "Skipped"],
  ["RegistryFailed", "Failed"],
  ["CheckpointDeleted", "Skipped"],
] as const)("the cause %s of the node is %s", (cause, outcome) => {
  const step = at(10, inState({ waiting: {} }), { is: "failed", cause, message: "because" });
  expect(step).toEqual({ is: "done", outcome, reason: cause, message: "because" });
});

test("a sandbox pod that is ended from outside proves nothing", () => {
  const evicted = inState(
    { terminated: { exitCode: 137, reason: "Error" } },
    {},
    { phase: "Failed", reason: "Evicted" },
  );
  expect(at(50, evicted, RESTORED, {}, CREATED)).toEqual(is("Skipped", "PodEnded"));
  const deleted = sandbox({}, { status: RUNNING, metadata: { deletionTimestamp: "2026-11-28T00:00:10Z" } });
  expect(judge(deleted, RESTORED, CREATED + 10_000, CREATED)).toEqual(is("Skipped", "PodDeleted"));
});

test("when the time is over, the reason says what it waited for", () => {
  const scheduled = { type: "PodScheduled", status: "False", message: "0/3 nodes are available" };
  const unscheduled = sandbox(
    {},
    { status: { phase: "Pending", conditions: [scheduled] }, spec: { nodeName: undefined } },
  );
  const step = judge(unscheduled, PENDING, CREATED + 600_000, undefined);
  expect(step).toEqual(is("Skipped", "NotScheduled"));
  expect(step).toMatchObject({ message: expect.stringContaining("0/3 nodes are available") as string });
  const pulling = at(
    600,
    inState({ waiting: { reason: "ImagePullBackOff", message: "no such image" } }),
    PENDING,
  );
  expect(pulling).toMatchObject({
    message: expect.stringContaining("container app: ImagePullBackOff, no such image") as string,
  });
  expect(at(600, RUNNING, RESTORED, {}, CREATED + 590_000)).toEqual(is("Skipped", "DeadlineExceeded"));
});

test("containers that the node restored and that do not run have failed when the time is over", () => {
  const ended = { terminated: { exitCode: 128, reason: "StartError" } };
  const status = inState({ waiting: { reason: "CrashLoopBackOff" } }, { lastState: ended });
  expect(at(599, status, RESTORED)).toMatchObject({ is: "wait" });
  expect(at(600, status, RESTORED)).toEqual(is("Failed", "NotRunning"));
});

test("each verification ends by its deadline, in each state", () => {
  const statuses = [
    {},
    { phase: "Pending" },
    RUNNING,
    READY,
    inState({ waiting: {} }),
    inState({ terminated: { exitCode: 1, reason: "StartError" } }),
  ];
  for (const status of statuses)
    for (const progress of [PENDING, RESTORED])
      for (const since of [undefined, CREATED, CREATED + 599_000])
        for (const hasProbe of [true, false])
          expect(at(600, status, progress, { hasProbe }, since).is).toBe("done");
});
