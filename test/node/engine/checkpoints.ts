/** Checkpoints of pods, and what the node must have for them. This group runs on each kind of node. */
import { counting } from "../../../testbed/node/counting";
import { NODE, eventually, scaled } from "../../../testbed/node/testbed";
import { failed, ready, RESTORE } from "../support/steps";
import { NAMES, PAIR, pairOf, type Suite } from "./pods";

export function checkpointTests(suite: Suite): void {
  const started = () => {
    suite.engine.runPod({ metadata: { name: "web" }, spec: PAIR });
    return suite.steps.reach("web", NAMES, () => 3);
  };
  const file = (name: string) =>
    suite.engine.kubectl(["exec", "web", "-c", "writer", "--", "cat", `/shared/${name}`]).trim();

  test("a pod of two containers and an emptyDir resumes on its node, and leaves nothing there", async () => {
    const { engine, steps } = suite;
    const before = await started();
    const { status } = await steps.taken("cp", "web");
    const location = expect.stringMatching(/^localhost:5000\/checkpoints@sha256:[0-9a-f]{64}$/);
    expect(status).toMatchObject({
      nodeName: NODE.name,
      frozenMilliseconds: expect.any(Number),
      containers: NAMES.map((name) => ({ name, location })),
    });
    expect(new Set(status.containers?.map((one) => one.location)).size).toBe(1);
    // The checkpoint did not stop it.
    await steps.resumed("web", NAMES, before);
    await eventually(() => expect(engine.archives()).toEqual([]));

    engine.kubectl(["delete", "pod", "web"]);
    engine.runPod({ metadata: { name: "web", annotations: RESTORE("cp") }, spec: PAIR });
    await steps.resumed("web", NAMES, before);
    expect(file("token")).toBe(before[0]!.token);
    expect(Number(file("count"))).toBeGreaterThan(before[0]!.count);
    expect(await steps.event("Restored", "web")).toContain("Checkpoint cp");
    // The pod keeps its images.
    const images = engine.kubectl(["get", "pod", "web", "-o", "jsonpath={.spec.containers[*].image}"]);
    expect(images).toBe("localhost:5000/busybox:1 localhost:5000/count:1");
    expect(engine.plansOnNode()).toHaveLength(1);
    engine.kubectl(["delete", "pod", "web"]);
    await eventually(() => expect(engine.plansOnNode()).toEqual([]));
  });

  test("the processes end with leaveRunning: false, and resume in another pod", async () => {
    const { engine, steps } = suite;
    const spec = { ...PAIR, restartPolicy: "Never" };
    engine.runPod({ metadata: { name: "web" }, spec });
    const before = await steps.reach("web", NAMES, () => 3);
    engine.take("cp", "web", { leaveRunning: false });
    expect(ready(await engine.ended("cp"))).toMatchObject({ status: "True" });
    engine.kubectl(["wait", "--for=jsonpath={.status.phase}=Failed", "pod/web", `--timeout=${scaled(60)}s`]);
    engine.kubectl(["delete", "pod", "web"]);
    steps.create("web", spec, RESTORE("cp"));
    await eventually(() => {
      const after = NAMES.map((name) => steps.counts.last("web", name).token);
      expect(after).toEqual(before.map(({ token }) => token));
    });
  });

  test("an agent that is killed during a push, and one during a restore, resume their work", async () => {
    const { engine, steps } = suite;
    const large = pairOf(128);
    engine.runPod({ metadata: { name: "web" }, spec: large });
    const before = await steps.reach("web", NAMES, () => 2);
    engine.take("cp", "web");
    // The journal has the request, and the service has the checkpoint.
    await eventually(() => expect(engine.archives().length).toBeGreaterThan(1));
    engine.onNode("pkill", "-9", "-f", "agent.js run");
    expect(ready(await engine.ended("cp"))).toMatchObject({ status: "True" });
    await eventually(() => expect(engine.archives()).toEqual([]));
    await steps.resumed("web", NAMES, before);
    engine.kubectl(["delete", "pod", "web"]);
    steps.create("web", large, RESTORE("cp"));
    await eventually(() => expect(engine.plansOnNode()).toHaveLength(1));
    engine.onNode("pkill", "-9", "-f", "agent.js run");
    await steps.resumed("web", NAMES, before);
    expect(await steps.event("Restored", "web")).toContain("Checkpoint cp");
  });

  test("a checkpoint over the quota or of a missing pod fails, and the pod keeps running", async () => {
    const { engine, steps } = suite;
    engine.runPod({ metadata: { name: "web" }, spec: { containers: [counting("count", 500)] } });
    const before = await steps.counts.reach("web", "count", 2);
    engine.take("too-large", "web");
    engine.take("missing", "no-such-pod");
    expect(failed(await engine.ended("too-large"))).toMatchObject({
      status: "True",
      reason: "QuotaExceeded",
    });
    expect(failed(await engine.ended("missing"))).toMatchObject({
      status: "True",
      reason: "SourcePodNotFound",
    });
    await eventually(() => expect(engine.archives()).toEqual([]));
    await steps.resumed("web", ["count"], [before]);
  });

  test("another CRIU on the runtime's path makes the node unready until it is removed", async () => {
    const { engine, steps } = suite;
    const link = "/usr/local/sbin/criu";
    await steps.nodeIs("True", /./);
    engine.onNode("sh", "-c", `mv ${link} ${link}.away && ln -s /usr/sbin/criu ${link}`);
    try {
      expect(await steps.nodeIs("False", /criuLink: /)).toMatch(/ points to \/usr\/sbin\/criu/);
    } finally {
      engine.onNode("mv", "-fT", `${link}.away`, link);
    }
    await steps.nodeIs("True", /./);
  });
}
