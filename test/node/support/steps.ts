import { Counts } from "../../../testbed/node/counting";
import type { CheckpointObject, Engine } from "../../../testbed/node/engine";
import { eventually } from "../../../testbed/node/testbed";

/** Annotations of a pod that is restored from a Checkpoint. */
export const RESTORE = (from: string) => ({ "cedana.ai/restore-from": from });

export const ready = ({ status }: CheckpointObject) => status.conditions.find(({ type }) => type === "Ready");
export const failed = ({ status }: CheckpointObject) =>
  status.conditions.find(({ type }) => type === "Failed");

/** Returns the steps that tests on an installed engine share. A step verifies its result. */
export function stepsOn(engine: Engine) {
  const counts = new Counts(engine);

  /** Takes a checkpoint of a pod. */
  async function taken(name: string, pod: string): Promise<CheckpointObject> {
    engine.take(name, pod);
    const object = await engine.ended(name);
    expect(ready(object)).toMatchObject({ status: "True", reason: "CheckpointCompleted" });
    return object;
  }

  /** Runs a pod, checkpoints it, deletes it and creates it again from the checkpoint. The same process must resume. */
  async function resumes(
    containers: readonly { readonly name: string }[],
    pod: object = {},
  ): Promise<CheckpointObject> {
    const spec = { containers, ...pod };
    engine.runPod({ metadata: { name: "web" }, spec });
    const names = containers.map(({ name }) => name);
    const before = await Promise.all(names.map((name) => counts.reach("web", name, 3)));
    const object = await taken("cp", "web");
    // The checkpoint did not stop it.
    const running = await Promise.all(
      names.map((name, at) => counts.reach("web", name, before[at]!.count + 2)),
    );
    expect(running.map(({ token }) => token)).toEqual(before.map(({ token }) => token));
    engine.kubectl(["delete", "pod", "web"]);
    engine.runPod({ metadata: { name: "web", annotations: RESTORE("cp") }, spec });
    const after = await Promise.all(
      names.map((name, at) => counts.reach("web", name, before[at]!.count + 3)),
    );
    expect(after.map(({ token }) => token)).toEqual(before.map(({ token }) => token));
    expect(engine.archives()).toEqual([]);
    return object;
  }

  /** Waits until the node's condition CedanaReady has this status and message; returns the message. */
  function nodeIs(status: string, message: RegExp): Promise<string> {
    return eventually(() => {
      const condition = engine.node().status.conditions.find(({ type }) => type === "CedanaReady");
      expect(condition).toMatchObject({ status, message: expect.stringMatching(message) });
      return condition!.message;
    });
  }

  /** Deletes the workloads and Checkpoints in the namespace `default`. */
  function deleteWorkloads(): void {
    for (const kinds of ["deployments,statefulsets,jobs", "pods", "checkpoints.automation.cedana.ai"])
      engine.kubectl(["delete", kinds, "--all", "--wait=true", "--grace-period=1"]);
  }

  /** Returns the errors and Node.js warnings in the log of the controller, which must have become the leader. */
  function controllerErrors(): readonly string[] {
    const args = "-n cedana-system logs --tail=-1 -l app.kubernetes.io/component=controller";
    const log = engine.kubectl(args.split(" "));
    expect(log).toContain('"msg":"leading"');
    return log.split("\n").filter((line) => /"level":"(error|fatal)"|Warning:/.test(line));
  }

  return { counts, taken, resumes, nodeIs, deleteWorkloads, controllerErrors };
}
