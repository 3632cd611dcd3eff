/** Restores that are not possible, are repeated, or are requested by several pods. */
import { counting } from "../../../testbed/node/counting";
import { eventually } from "../../../testbed/node/testbed";
import { RESTORE } from "../support/steps";
import { NAMES, PAIR, shellAfter, type Suite } from "./pods";

const STOP = { "cedana.ai/restore-fallback": "stop" };
const READY = ".containerStatuses[*].ready";
const RESTARTS = ".containerStatuses[*].restartCount";

/** Directory of the node that a pod mounts. */
const HOST = "/var/lib/cedana-test";

export function restoreTests(suite: Suite): void {
  test("a pod whose restore fails starts fresh in place, or not at all with restore-fallback: stop", async () => {
    const { engine, steps } = suite;
    // A checkpoint has no content of a hostPath, and CRIU checks the size of each open file.
    const shell = shellAfter("exec 3<>/host/open; echo before >&3", {
      volumeMounts: [{ name: "host", mountPath: "/host" }],
    });
    const spec = {
      containers: [shell, counting("count", 16)],
      volumes: [{ name: "host", hostPath: { path: HOST, type: "DirectoryOrCreate" } }],
    };
    engine.runPod({ metadata: { name: "web" }, spec });
    const names = ["shell", "count"];
    const before = await steps.reach("web", names, () => 3);
    await steps.taken("cp", "web");
    await steps.taken("other", "web");
    engine.kubectl(["delete", "pod", "web"]);
    engine.onNode("sh", "-c", `echo after >> ${HOST}/open`);
    steps.create("web", spec, RESTORE("cp"));
    steps.create("stops", spec, { ...RESTORE("other"), ...STOP });
    expect(await steps.event("RestoreFellBack", "web")).toMatch(/host\/open has bad size/);
    // All containers or none.
    for (const [at, { token }] of (await steps.reach("web", names, () => 1)).entries())
      expect(token).not.toBe(before[at]!.token);
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

  test("a restored container that is killed resumes from the newest checkpoint of its pod, with its volume", async () => {
    const { engine, steps } = suite;
    const mounts = { volumeMounts: [{ name: "data", mountPath: "/data" }] };
    const spec = { containers: [shellAfter("true", mounts)], volumes: [{ name: "data", emptyDir: {} }] };
    const inside = (script: string) => engine.kubectl(["exec", "web", "--", "sh", "-c", script]);
    engine.runPod({ metadata: { name: "web" }, spec });
    const before = await steps.counts.reach("web", "shell", 3);
    await steps.taken("cp", "web");
    engine.kubectl(["delete", "pod", "web"]);
    engine.runPod({ metadata: { name: "web", annotations: RESTORE("cp") }, spec });
    await steps.resumed("web", ["shell"], [before]);
    let planned = "";
    for (const [restarts, name] of ["first", "second"].entries()) {
      const earlier = await steps.counts.reach("web", "shell", before.count + 10 * (restarts + 1));
      inside(`touch /data/${name}`);
      const { metadata } = await steps.taken(name, "web");
      // After the outcome is reported.
      await eventually(() => {
        planned = plannedOnNode(engine);
        expect(planned).toBe(metadata.uid);
      });
      inside("touch /data/lost");
      const last = await steps.counts.reach("web", "shell", earlier.count + 3);
      engine.onNode("kill", "-KILL", steps.process("web"));
      await eventually(() => expect(steps.status("web", RESTARTS)).toBe(`${restarts + 1}`));
      const log = await eventually(() => {
        const text = engine.kubectl(["logs", "web"]);
        expect(text).toMatch(/^count \d+ token \w+ sum 0\n/);
        return text;
      });
      const [, count, token] = /^count (\d+) token (\w+)/.exec(log)!;
      expect(token).toBe(before.token);
      expect(Number(count)).toBeGreaterThan(earlier.count);
      expect(Number(count)).toBeLessThanOrEqual(last.count);
      expect(inside("ls /data").trim().split("\n")).toEqual(["first", "second"].slice(0, restarts + 1));
    }
    await eventually(() => expect(engine.archives()).toEqual([]));
    expect(plannedOnNode(engine)).toBe(planned);
    engine.kubectl(["delete", "pod", "web"]);
    await eventually(() => expect(engine.plansOnNode()).toEqual([]));
  });
}

/** Returns the checkpoints in the directories of plans: their names, one a line. */
function plannedOnNode(engine: Suite["engine"]): string {
  const script =
    "for file in /var/lib/cedana-cdk/restore/*/*/checkpoint.json; do basename $(dirname $file); done";
  return engine.onNode("sh", "-c", script).trim();
}
