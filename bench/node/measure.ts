import { setTimeout as sleep } from "node:timers/promises";
import { at, connectByKubeconfig, itemsAt, numberAt, textAt, type Json, type Transport } from "../../kube";
import { eventually } from "../../testbed/node/testbed";
import { BenchNode, installWorkload, printed, STILL, workload } from "./workload";

/** One round with one size, in seconds unless the name says otherwise. */
export interface Measured {
  /** One read of the process's memory by /proc/PID/mem: the floor of the standstill. */
  readonly readMs: number;
  /** How long the process stood still, by its own clock. */
  readonly standstillMs: number;
  /** `frozenMilliseconds` of the Checkpoint. */
  readonly reportedMs: number;
  /** From the creation of the Checkpoint until it is Ready, which is after the push. */
  readonly checkpoint: number;
  /** Bytes that the node's processes wrote to its disk, per byte of memory. */
  readonly writtenPerByte: number;
  /** From the creation of a pod without a checkpoint until it is Ready. */
  readonly fresh: number;
  /** From the creation of a pod with the checkpoint until it is Ready. The node has no part of the checkpoint. */
  readonly restore: number;
}

const CHECKPOINTS = "/apis/automation.cedana.ai/v1alpha1/namespaces/default/checkpoints";
const PODS = "/api/v1/namespaces/default/pods";
const TIMEOUT_MS = 300_000;

/** Measures one engine, which is installed on a test bed. */
export class Bench {
  private constructor(
    readonly node: BenchNode,
    private readonly api: Transport,
  ) {}

  static async open(folder: string): Promise<Bench> {
    const node = new BenchNode(folder);
    installWorkload(node);
    return new Bench(node, await connectByKubeconfig({ file: `${folder}/kubeconfig` }));
  }

  /** @param round part of the names of the objects */
  async measure(megabytes: number, round: string): Promise<Measured> {
    const [source, checkpoint] = [`source-${round}`, `cp-${round}`];
    await this.ready(workload(source, megabytes));
    const before = await eventually(() => {
      const now = printed(this.node, source);
      if (now.token === undefined) throw new Error(`${source} has not filled its memory`);
      return now;
    });
    const [nanoseconds, bytes] = this.numbers(STILL, "read", this.pid(source));
    const readMs = nanoseconds! / 1e6;
    // What was written before must not be counted.
    this.node.run("sync");
    const passed = printed(this.node, source).gaps.length;
    const wrote = this.written();
    const begin = performance.now();
    const checkpointed = await this.created(CHECKPOINTS, checkpointOf(checkpoint, source), endOfCheckpoint);
    const seconds = (performance.now() - begin) / 1000;
    const writtenPerByte = (this.written() - wrote) / bytes!;
    const standstillMs = Math.max(...printed(this.node, source).gaps.slice(passed), 0);
    await this.removed(source);
    await sleep(500);
    const fresh = await this.ready(workload(`fresh-${round}`, megabytes));
    await this.removed(`fresh-${round}`);
    await sleep(500);
    const restored = `restored-${round}`;
    const annotations = { "cedana.ai/restore-from": checkpoint };
    const restore = await this.ready(workload(restored, megabytes, annotations));
    await this.resumed(restored, before.token!);
    await this.removed(restored);
    await this.api.send("DELETE", `${CHECKPOINTS}/${checkpoint}`);
    const reportedMs = reported(checkpointed);
    return { readMs, standstillMs, reportedMs, checkpoint: seconds, writtenPerByte, fresh, restore };
  }

  /** The process must be the one of the checkpoint: it prints its gap. containerd restores the log, too. */
  private resumed(pod: string, token: string): Promise<void> {
    return eventually(() => {
      const now = printed(this.node, pod);
      if (now.token !== undefined && now.token !== token)
        throw new Error(`${pod} started fresh, with ${now.token} and not ${token}`);
      if (now.gaps.length === 0) throw new Error(`${pod} does not tick`);
    });
  }

  /** Returns the PID of the workload's process on the node. */
  private pid(pod: string): string {
    const id = this.node.kubectl([
      "get",
      "pod",
      pod,
      "-o",
      "jsonpath={.status.containerStatuses[0].containerID}",
    ]);
    const state = this.node.run(
      "cat",
      `/run/containerd/runc/k8s.io/${id.replace("containerd://", "")}/state.json`,
    );
    return String((JSON.parse(state) as { init_process_pid: number }).init_process_pid);
  }

  private numbers(...command: string[]): number[] {
    return this.node
      .run(...command)
      .trim()
      .split(/\s+/)
      .map(Number);
  }

  private written(): number {
    this.node.run("sync");
    return this.numbers(STILL, "written")[0]!;
  }

  /** Creates a pod, and returns the seconds until it is Ready. */
  private async ready(pod: object): Promise<number> {
    const begin = performance.now();
    await this.created(PODS, pod, (object) => {
      if (textAt(object, "status", "phase") === "Failed")
        throw new Error(`a pod failed: ${JSON.stringify(at(object, "status"))}`);
      return hasCondition(object, "Ready");
    });
    return (performance.now() - begin) / 1000;
  }

  private async removed(pod: string): Promise<void> {
    this.node.kubectl(["delete", "pod", pod, "--grace-period=1", "--wait=true"]);
  }

  /** Creates an object, and returns it once a condition holds. */
  private async created(path: string, content: object, holds: (object: Json) => boolean): Promise<Json> {
    const { metadata } = (await this.api.send("POST", path, { type: "application/json", content })) as {
      metadata: { name: string; resourceVersion: string };
    };
    const watch = this.api.watch(path, {
      query: { fieldSelector: `metadata.name=${metadata.name}`, resourceVersion: metadata.resourceVersion },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      idleTimeoutMs: TIMEOUT_MS,
    });
    for await (const { object } of watch) if (holds(object)) return object;
    throw new Error(`${metadata.name} was not ready in ${TIMEOUT_MS / 1000} s`);
  }
}

function hasCondition(object: Json, type: string): boolean {
  return itemsAt(object, "status", "conditions").some(
    (each) => at(each, "type") === type && at(each, "status") === "True",
  );
}

function checkpointOf(name: string, pod: string) {
  return {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "Checkpoint",
    metadata: { name },
    spec: { podRef: { name: pod } },
  };
}

/** @throws Error for a failed Checkpoint */
function endOfCheckpoint(object: Json): boolean {
  if (hasCondition(object, "Failed"))
    throw new Error(`a checkpoint failed: ${JSON.stringify(at(object, "status"))}`);
  return hasCondition(object, "Ready");
}

/** The engine `criu` reports one time for the pod, the engine `kubelet` one for each container. */
function reported(checkpoint: Json): number {
  const [container] = itemsAt(checkpoint, "status", "containers");
  const path = "frozenMilliseconds";
  return numberAt(checkpoint, "status", path) ?? numberAt(container, path) ?? Number.NaN;
}
