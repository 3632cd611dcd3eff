/** Restores that are not possible, are repeated, or are requested by several pods. */
import { counting } from "../../../testbed/node/counting";
import { eventually } from "../../../testbed/node/testbed";
import { RESTORE } from "../support/steps";
import { NAMES, PAIR, shellAfter, type Suite } from "./pods";

const STOP = { "cedana.ai/restore-fallback": "stop" };
const READY = ".containerStatuses[*].ready";
const RESTARTS = ".containerStatuses[*].restartCount";

export function restoreTests(suite: Suite): void {
  test("a pod whose restore fails starts fresh in place, or not at all with restore-fallback: stop", async () => {
    const { engine, steps } = suite;
    // The new pod has another address, so CRIU fails.
    const shell = shellAfter("{ nc -ll -s $ADDRESS -p 9000 -e cat & }", {
      env: [{ name: "ADDRESS", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
    });
    const spec = { containers: [shell, counting("count", 16)] };
    engine.runPod({ metadata: { name: "web" }, spec });
    const [before] = await steps.reach("web", ["shell", "count"], () => 3);
    await steps.taken("cp", "web");
    await steps.taken("other", "web");
    engine.kubectl(["delete", "pod", "web"]);
    steps.create("web", spec, RESTORE("cp"));
    steps.create("stops", spec, { ...RESTORE("other"), ...STOP });
    expect(await steps.event("RestoreFellBack", "web")).toMatch(/CRIU/);
    const after = await eventually(() => steps.counts.last("web", "shell"));
    expect(after.token).not.toBe(before!.token);
    expect(after.count).toBeLessThan(before!.count + 60);
    // All containers or none.
    expect((await steps.counts.reach("web", "count", 1)).count).toBeLessThan(60);
    await steps.event("RestoreFailed", "stops");
    expect(steps.status("stops", READY)).toBe("false false");
  });

  test("a pod that may do less than the checkpoint starts fresh, or not at all with restore-fallback: stop", async () => {
    const { engine, steps } = suite;
    engine.runPod({ metadata: { name: "web" }, spec: PAIR });
    const before = await steps.reach("web", NAMES, () => 3);
    await steps.taken("cp", "web");
    await steps.taken("other", "web");
    engine.kubectl(["delete", "pod", "web"]);
    const securityContext = { runAsUser: 1000, capabilities: { drop: ["ALL"] } };
    const spec = {
      ...PAIR,
      containers: PAIR.containers.map((container) => ({ ...container, securityContext })),
      securityContext: { fsGroup: 1000 },
    };
    steps.create("web", spec, RESTORE("cp"));
    steps.create("stops", spec, { ...RESTORE("other"), ...STOP });
    await steps.event("RestoreFellBack", "web");
    const after = await eventually(() => steps.counts.last("web", "writer"));
    expect(after.token).not.toBe(before[0]!.token);
    expect(engine.kubectl(["exec", "web", "-c", "writer", "--", "id", "-u"])).toBe("1000\n");
    expect(await steps.event("RestoreFailed", "stops")).toContain(
      "the user is 1000, at the checkpoint it was 0",
    );
    expect(steps.status("stops", READY)).toBe("false false");
  });

  test("one of two pods with the same Checkpoint resumes, and both with restore-shared", async () => {
    const { engine, steps } = suite;
    const spec = { containers: [counting("count", 16)] };
    engine.runPod({ metadata: { name: "web" }, spec });
    const before = await steps.counts.reach("web", "count", 5);
    await steps.taken("cp", "web");
    await steps.taken("shared", "web");
    engine.kubectl(["delete", "pod", "web"]);
    steps.create("one", spec, RESTORE("cp"));
    steps.create("two", spec, RESTORE("cp"));
    await steps.event("RestoreSkipped", "two");
    await steps.resumed("one", ["count"], [before]);
    expect((await steps.counts.reach("two", "count", 1)).token).not.toBe(before.token);
    const shared = { ...RESTORE("shared"), "cedana.ai/restore-shared": "true" };
    for (const pod of ["three", "four"]) steps.create(pod, spec, shared);
    for (const pod of ["three", "four"]) await steps.resumed(pod, ["count"], [before]);
  });

  test("a restored container that is killed resumes again in place, as engine.restore.restart demands", async () => {
    const { engine, steps } = suite;
    const spec = { containers: [shellAfter("true")] };
    engine.runPod({ metadata: { name: "web" }, spec });
    const before = await steps.counts.reach("web", "shell", 3);
    await steps.taken("cp", "web");
    engine.kubectl(["delete", "pod", "web"]);
    engine.runPod({ metadata: { name: "web", annotations: RESTORE("cp") }, spec });
    await steps.resumed("web", ["shell"], [before]);
    const address = steps.status("web", ".podIP");
    engine.onNode("kill", "-KILL", steps.process("web"));
    await eventually(() => expect(steps.status("web", RESTARTS)).toBe("1"));
    await steps.resumed("web", ["shell"], [before]);
    expect(steps.status("web", ".podIP")).toBe(address);
  });
}
