/** Checkpoints while something is missing or full, and many of them. */
import { counting } from "../../../testbed/node/counting";
import { run } from "../../../testbed/node/run";
import { eventually } from "../../../testbed/node/testbed";
import { failed, ready } from "../support/steps";
import { shellAfter, type Suite } from "./pods";

const HEALTH_CHECK = "app.kubernetes.io/component=health-check";
/** Where the host service writes checkpoints. */
const CHECKPOINTS = "/var/lib/cedana-cdk/checkpoints";

export function faultTests(suite: Suite): void {
  test("the agent retries while the registry does not respond, and the health check reports it", async () => {
    const { engine, steps } = suite;
    engine.runPod({ metadata: { name: "web" }, spec: { containers: [counting("count", 16)] } });
    await steps.counts.reach("web", "count", 2);
    const registry = (signal: string) =>
      run("pkill", [signal, "-f", `registry serve .*--disk ${engine.folder}/`]);
    registry("-STOP");
    try {
      engine.take("cp", "web");
      // The request in the journal, and the checkpoint.
      await eventually(() => expect(engine.archives()).toHaveLength(2));
      // After a response the check is repeated after 5 minutes only; a new pod checks immediately.
      const pod = [..."-n cedana-system -l".split(" "), HEALTH_CHECK];
      engine.kubectl(["delete", "pod", "--grace-period=1", ...pod]);
      await eventually(() =>
        expect(engine.kubectl(["get", "pod", ...pod, "-o", "json"])).toMatch(
          /registry: localhost:5000\/checkpoints does not respond/,
        ),
      );
      expect(engine.archives()).toHaveLength(2);
    } finally {
      registry("-CONT");
    }
    expect(ready(await engine.ended("cp"))).toMatchObject({ status: "True" });
    await eventually(() => expect(engine.archives()).toEqual([]));
    await steps.nodeIs("True", /./);
  });

  test("concurrent and consecutive checkpoints all complete and leave nothing on the disk", async () => {
    const { engine, steps } = suite;
    engine.runPod({ metadata: { name: "web" }, spec: { containers: [counting("count", 1)] } });
    const before = await steps.counts.reach("web", "count", 2);
    engine.take("a", "web");
    engine.take("b", "web");
    for (const name of ["a", "b"]) expect(ready(await engine.ended(name))).toMatchObject({ status: "True" });
    for (let at = 0; at < 20; at++) await steps.taken(`row-${at}`, "web");
    await eventually(() => expect(engine.archives()).toEqual([]));
    await steps.resumed("web", ["count"], [before]);
  });

  test("a checkpoint on a full disk fails and leaves no files, and the pod keeps running", async () => {
    const { engine, steps } = suite;
    // Memory is compared with the disk before the freeze; files of a volume fill it during the freeze.
    const containers = [
      counting("count", 256),
      shellAfter("head -c 120000000 /dev/urandom > /scratch/file", {
        volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
      }),
    ];
    engine.runPod({
      metadata: { name: "web" },
      spec: { containers, volumes: [{ name: "scratch", emptyDir: {} }] },
    });
    const names = ["count", "shell"];
    const before = await steps.reach("web", names, () => 2);
    engine.onNode("mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", CHECKPOINTS);
    try {
      for (const [name, container] of Object.entries({ memory: "count", files: "shell" })) {
        engine.take(name, "web", { containers: [container] });
        const { message } = failed(await engine.ended(name))!;
        expect(message).toMatch(/bytes free|no space left/);
      }
      await eventually(() => expect(engine.archives()).toEqual([]));
    } finally {
      engine.onNode("umount", "-l", CHECKPOINTS);
    }
    await steps.resumed("web", names, before);
    expect(steps.status("web", ".containerStatuses[*].restartCount")).toBe("0 0");
  });
}
