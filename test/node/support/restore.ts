import { counting, Counts } from "../../../testbed/node/counting";
import { eventually, scaled } from "../../../testbed/node/testbed";
import { openWrapperNode, type RestoreState, type WrapperNode } from "../../../testbed/node/wrapper";

/** A pod of one counting container. */
export const ONE = { containers: [counting("count", 16)] };

/** Returns a container that runs a shell script. */
export const shell = (name: string, script: string, more: object = {}) => ({
  name,
  image: "localhost:5000/busybox:1",
  command: ["/bin/sh", "-c", script],
  ...more,
});

/** Returns the parts of a state that do not depend on times and identifiers. */
export const outcome = ({ decision, reason, containers }: RestoreState) => ({
  decision,
  reason,
  phases: Object.fromEntries(Object.entries(containers ?? {}).map(([name, { phase }]) => [name, phase])),
});

/** Returns the outcome of a pod that starts fresh for a reason. */
export const freshly = (reason: string, phases: Record<string, string> = { count: "StartedFresh" }) => ({
  decision: "fresh",
  reason,
  phases,
});

/** What the suites of the wrapper do with a node and its pods. */
export class Restores {
  readonly counts: Counts;

  private constructor(readonly node: WrapperNode) {
    this.counts = new Counts(node);
  }

  /** Starts the node. */
  static async open(): Promise<Restores> {
    return new Restores(await openWrapperNode());
  }

  removePods(): void {
    this.node.kubectl([
      "delete",
      "pods",
      "--all",
      "--grace-period=1",
      "--wait=true",
      `--timeout=${scaled(120)}s`,
    ]);
  }

  restarts(pod: string): string {
    return this.status(pod, ".containerStatuses[*].restartCount");
  }

  status(pod: string, path: string): string {
    return this.node.kubectl(["get", "pod", pod, "-o", `jsonpath={.status${path}}`]);
  }

  /** Waits for a line in the log of a container, and returns the first match. */
  logged(pod: string, container: string, pattern: RegExp): Promise<RegExpExecArray> {
    return eventually(() => {
      const log = this.node.kubectl(["logs", pod, "-c", container]);
      const found = pattern.exec(log);
      if (!found) throw new Error(`the log of ${pod}/${container} has no ${pattern}:\n${log}`);
      return found;
    });
  }

  /** Creates the pod `source`, and checkpoints all of its containers once it is prepared. */
  async source(
    directory: string,
    spec: { readonly containers: readonly { readonly name: string }[] },
    prepare: () => Promise<unknown>,
    tcp?: string,
  ): Promise<void> {
    this.node.create("source", spec);
    this.node.ready("source");
    await prepare();
    const names = spec.containers.map(({ name }) => name);
    this.node.checkpoint(directory, "source", names, tcp);
  }

  /** Returns the process of the first container of a pod. */
  process(pod: string): string {
    const id = this.status(pod, ".containerStatuses[0].containerID").replace("containerd://", "");
    return this.node
      .onNode("cat", `/run/containerd/io.containerd.runtime.v2.task/k8s.io/${id}/init.pid`)
      .trim();
  }
}
