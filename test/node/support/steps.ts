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

  /** Waits until each container of a pod has counted to a number. */
  const reach = (pod: string, names: readonly string[], atLeast: (at: number) => number) =>
    Promise.all(names.map((name, at) => counts.reach(pod, name, atLeast(at))));

  /** Waits until the containers of a restored pod have counted on, as the processes that they were. */
  async function resumed(
    pod: string,
    names: readonly string[],
    before: readonly { readonly count: number; readonly token: string }[],
  ): Promise<void> {
    const after = await reach(pod, names, (at) => before[at]!.count + 3);
    expect(after.map(({ token }) => token)).toEqual(before.map(({ token }) => token));
  }

  /** Runs a pod, checkpoints it, deletes it and creates it again from the checkpoint. The same process must resume. */
  async function resumes(
    containers: readonly { readonly name: string }[],
    pod: object = {},
  ): Promise<CheckpointObject> {
    const spec = { containers, ...pod };
    engine.runPod({ metadata: { name: "web" }, spec });
    const names = containers.map(({ name }) => name);
    const before = await reach("web", names, () => 3);
    const object = await taken("cp", "web");
    // The checkpoint did not stop it.
    const running = await reach("web", names, (at) => before[at]!.count + 2);
    expect(running.map(({ token }) => token)).toEqual(before.map(({ token }) => token));
    await eventually(() => expect(engine.archives()).toEqual([]));
    engine.kubectl(["delete", "pod", "web"]);
    engine.runPod({ metadata: { name: "web", annotations: RESTORE("cp") }, spec });
    await resumed("web", names, before);
    return object;
  }

  /** Creates a pod without waiting for it. */
  function create(name: string, spec: object, annotations: object = {}): void {
    engine.kubectl(["create", "-f", "-"], {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, annotations },
      spec: { tolerations: [{ operator: "Exists" }], terminationGracePeriodSeconds: 1, ...spec },
    });
  }

  /** Waits for an event of a pod, and returns its message. */
  function event(reason: string, pod: string): Promise<string> {
    const fields = `reason=${reason},involvedObject.name=${pod}`;
    const path = "jsonpath={.items[*].message}";
    return eventually(() => {
      const message = engine.kubectl(["get", "events", "--field-selector", fields, "-o", path]);
      if (message === "") throw new Error(`there is no event ${reason} of pod ${pod}`);
      return message;
    }, 150);
  }

  /** Returns a field of a pod's status. */
  const status = (pod: string, path: string) =>
    engine.kubectl(["get", "pod", pod, "-o", `jsonpath={.status${path}}`]);

  /** Returns the process of the first container of a pod, on the node. */
  function process(pod: string): string {
    const id = status(pod, ".containerStatuses[0].containerID").replace("containerd://", "");
    return engine.onNode("cat", `/run/containerd/io.containerd.runtime.v2.task/k8s.io/${id}/init.pid`).trim();
  }

  /** Waits for the only pod of app=web, and returns its name. */
  function onlyPod(): Promise<string> {
    return eventually(() => {
      const { items } = JSON.parse(engine.kubectl(["get", "pods", "-l", "app=web", "-o", "json"])) as {
        items: readonly {
          metadata: { name: string; deletionTimestamp?: string };
          status: { phase: string };
        }[];
      };
      const alive = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      const [pod] = alive;
      if (alive.length !== 1 || pod?.status.phase !== "Running")
        throw new Error("there is no running pod of app=web");
      return pod.metadata.name;
    }, 120);
  }

  /**
   * Deletes pods that their owner creates again with the same names, and waits until the deleted ones are gone. kubectl before
   * 1.36 may wait for the new pods instead, which never end (kubernetes/kubernetes#135563).
   */
  async function deleteReplaced(pods: readonly string[]): Promise<void> {
    const before = pods.map((pod) => engine.kubectl(["get", "pod", pod, "-o", "jsonpath={.metadata.uid}"]));
    engine.kubectl(["delete", "pods", ...pods, "--grace-period=1", "--wait=false"]);
    await eventually(() => {
      const uids = engine.kubectl(["get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"]).split(" ");
      expect(before.filter((uid) => uids.includes(uid))).toEqual([]);
    });
  }

  /** Checkpoints and deletes the only pod of app=web. Its replacement must resume. */
  async function replacedPodResumes(names: readonly string[]): Promise<void> {
    const pod = await onlyPod();
    const before = await reach(pod, names, () => 3);
    await taken("cp", pod);
    engine.kubectl(["delete", "pod", pod, "--grace-period=1"]);
    const next = await onlyPod();
    expect(next).not.toBe(pod);
    await resumed(next, names, before);
  }

  /** Waits until the node's condition CedanaReady has this status and message; returns the message. */
  function nodeIs(expected: string, message: RegExp): Promise<string> {
    return eventually(() => {
      const condition = engine.node().status.conditions.find(({ type }) => type === "CedanaReady");
      expect(condition).toMatchObject({ status: expected, message: expect.stringMatching(message) });
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

  return {
    counts,
    taken,
    reach,
    resumed,
    resumes,
    create,
    event,
    status,
    process,
    onlyPod,
    deleteReplaced,
    replacedPodResumes,
    nodeIs,
    deleteWorkloads,
    controllerErrors,
  };
}

export type Steps = ReturnType<typeof stepsOn>;
