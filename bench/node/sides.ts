import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** An engine that the benchmark installs. */
export type SideKind = "criu" | "criu lazy" | "kubelet";

/** What a side sends once its engine is installed. */
export interface SideReady {
  /** Directory of the test bed. */
  readonly folder: string;
}

export interface Side {
  readonly kind: SideKind;
  /** Checkout whose engine is installed. It has been built. */
  readonly checkout: string;
}

/**
 * Installs an engine on a new test bed, runs the work, and removes both.
 *
 * A test bed has one real node, and the engines use the same API group and directories of the node, so the sides take turns.
 */
export async function withSide<T>(
  { kind, checkout }: Side,
  work: (ready: SideReady) => Promise<T>,
): Promise<T> {
  const child = fork(join(checkout, "out/bench-side/side.cjs"), [kind], {
    cwd: checkout,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ended = once(child, "exit");
  try {
    const [ready] = (await Promise.race([
      once(child, "message"),
      ended.then(([code]) => {
        throw new Error(`the engine ${kind} of ${checkout} was not installed: exit code ${code}`);
      }),
    ])) as [SideReady];
    return await work(ready);
  } finally {
    if (child.connected) child.disconnect();
    await ended;
  }
}
