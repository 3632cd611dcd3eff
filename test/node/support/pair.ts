/** What the containers of the workload `pair` say, and what a checkpoint of them has. */
import { execFileSync } from "node:child_process";
import type { CheckpointResult, ServiceNode } from "../../../testbed/node/service";
import { eventually } from "../../../testbed/node/testbed";

export type Role = "ping" | "pong";
export const ROLES = ["ping", "pong"] as const;

/** Each side adds 2 in one exchange, to its memory before its files: at one moment the numbers are in a range of 2. */
export const SPREAD = 2;

/** A container that starts fresh prints a smaller number first. */
const FRESH = 50;

const PLANS = "/var/lib/cedana-cdk/restore";

/** Checks pods of the workload and their checkpoints on a node. */
export class PairChecks {
  /** The smallest number of the last checkpoint that `isWhole` checked. */
  private least = 0;

  constructor(private readonly node: ServiceNode) {}

  logs(pod: string, role: Role, ...more: string[]): string {
    return this.node.kubectl(["logs", pod, "-c", role, ...more]);
  }

  /** Returns the last number that a container printed. */
  printed(pod: string, role: Role): number {
    const numbers = [...this.logs(pod, role).matchAll(/^number (\d+)$/gm)];
    return Number(numbers.at(-1)?.[1] ?? 0);
  }

  /** Waits until both containers have printed a number that is at least this one. */
  async reach(pod: string, number: number): Promise<void> {
    for (const role of ROLES)
      await eventually(() => {
        const at = this.printed(pod, role);
        if (at < number) throw new Error(`${pod}/${role} stands at ${at}`);
      });
  }

  /** Waits until both containers have counted on, also if one of them was created again meanwhile. */
  async count(pod: string): Promise<void> {
    for (const role of ROLES) {
      let last: number | undefined;
      await eventually(() => {
        const before = last;
        last = this.printed(pod, role);
        if (before === undefined || last <= before)
          throw new Error(`${pod}/${role} stands at ${last}: ${this.logs(pod, role).slice(-300)}`);
      });
    }
  }

  restarts(pod: string): string {
    const path = "jsonpath={.status.containerStatuses[*].restartCount}";
    return this.node.kubectl(["get", "pod", pod, "-o", path]);
  }

  /** Returns the process of containerd's shim of a pod. */
  shim(pod: string): string {
    return this.node
      .script(
        `for each in /run/containerd/io.containerd.runtime.v2.task/k8s.io/*/; do
  grep -qs '"io.kubernetes.cri.sandbox-name":"${pod}"' "$each/config.json" && cat "$each/init.pid" && echo
done | while read -r pid; do sed -n 's/^PPid:.//p' "/proc/$pid/status"; done | sort -u`,
      )
      .trim();
  }

  /**
   * Ends processes whose shim was killed. containerd 2.1.9 does so for the sandbox alone, also for pods of runc: most end because
   * they cannot print, but one that waits for a number takes it from the FIFO of the new containers.
   */
  endOrphans(): void {
    this.node.script(`for pid in $(pgrep -x pair); do
  if grep -qx 'PPid:.1' "/proc/$pid/status"; then kill -KILL "$pid"; fi
done
true`);
  }

  /** @throws Error unless all numbers of a checkpoint are of one moment */
  isWhole(uid: string, checkpoint: CheckpointResult["checkpoint"]): void {
    const numbers = Object.values(this.numbers(uid, checkpoint));
    this.least = Math.min(...numbers);
    if (!(Math.max(...numbers) - this.least <= SPREAD && this.least > FRESH))
      throw new Error(`checkpoint ${uid} has the numbers ${JSON.stringify(numbers)}`);
  }

  /** Returns every place where a checkpoint has the number. */
  numbers(
    uid: string,
    { containers, volumes }: CheckpointResult["checkpoint"],
  ): Readonly<Record<string, number>> {
    const all: Record<string, number> = {};
    for (const { name, files } of containers) {
      all[`${name} memory`] = this.inMemory(uid, name as Role, files);
      all[`${name} rootfs`] = Number(this.inArchive(uid, `containers/${name}/rootfs.tar`, "state"));
    }
    if (volumes.length > 0) all["volume"] = Number(this.inArchive(uid, "volumes/shared.tar", "state"));
    all["shm"] = Number(this.inArchive(uid, "shm.tar", "state"));
    return all;
  }

  /** Finds the number in the memory that CRIU dumped: 8 bytes before the marker. */
  inMemory(uid: string, role: Role, files: readonly { readonly path: string }[]): number {
    const found = files
      .filter(({ path }) => /^images\/pages-\d+\.img$/.test(path))
      .flatMap(({ path }) => this.node.numbersBefore("cNt!".repeat(4), uid, `containers/${role}/${path}`));
    if (found.length !== 1) throw new Error(`checkpoint ${uid} has ${found.length} numbers of ${role}`);
    return found[0]!;
  }

  /** Returns the content of a file in an archive of a checkpoint. */
  inArchive(uid: string, archive: string, name: string): string {
    const input = this.node.file(uid, archive);
    return execFileSync("tar", ["-xOf", "-", name], { input, encoding: "utf8" });
  }

  /** Waits until nothing is frozen, traced or incomplete, and so many pods run, with one process for each container. */
  async nothingLeft(pods: number): Promise<void> {
    await eventually(() => {
      const left = this.node.leftovers();
      const counts = ROLES.map((role) => this.node.script(`pgrep -fxc '/bin/pair ${role}'; true`).trim());
      if (left !== "" || counts.some((each) => each !== String(pods)))
        throw new Error(`processes of each container: ${counts.join()}, not ${pods}; left is: ${left}`);
    });
  }

  /**
   * Returns the phase that the service reports for both containers of a pod, Restored or StartedFresh, with the reason.
   *
   * @throws Error if it differs between them, or the containers' own numbers say otherwise
   */
  outcome(pod: string): { readonly phase: string; readonly reason: string } {
    const { status, stdout, stderr } = this.node.call("outcome", { podUID: this.node.uid(pod) });
    if (status !== 0) throw new Error(stderr);
    const outcome = JSON.parse(stdout) as {
      reason?: string;
      containers: { name: string; phase: string }[];
    };
    // A process that CRIU restored before it was killed can have printed before that of a fresh start.
    const smallest = ROLES.map((role) =>
      Math.min(...[...this.logs(pod, role).matchAll(/^number (\d+)$/gm)].map(([, number]) => Number(number))),
    );
    const ran = smallest.map((number) => (number >= this.least ? "Restored" : "StartedFresh"));
    const reported = outcome.containers.map(({ phase }) => phase);
    if (reported.join() !== ran.join() || ran[0] !== ran[1])
      throw new Error(
        `the processes of ${pod} are ${ran.join()}: they printed ${smallest.join()} or more, the checkpoint has ${this.least}; ${stdout}`,
      );
    return { phase: ran[0]!, reason: outcome.reason ?? "" };
  }

  /** Lists what a restored container has on the node beside its processes. */
  left(): string {
    return this.node.script(
      `find /run/cedana-cdk/restored /run/containerd/runc/k8s.io -mindepth 1 2>/dev/null
ls -A ${PLANS}
grep -E 'criu|cgyard' /proc/self/mountinfo
find "/sys/fs/cgroup/freezer${this.node.cgroup}" -mindepth 3 -type d
true`,
    );
  }

  /** Removes what containerd leaves of each container whose shim was killed while it ran, but for those of a pod. */
  forgetDead(pod: string): void {
    this.node.script(`cd /run/containerd/runc/k8s.io
for each in *; do
  bundle=/run/containerd/io.containerd.runtime.v2.task/k8s.io/$each/config.json
  grep -qs '"io.kubernetes.cri.sandbox-name":"${pod}"' "$bundle" || rm -rf "$each" "/run/cedana-cdk/restored/$each"
done`);
  }
}
