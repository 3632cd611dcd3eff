/** Pods that the groups of the suite of the engine share. */
import { counting } from "../../../testbed/node/counting";
import type { Engine } from "../../../testbed/node/engine";
import type { Steps } from "../support/steps";

/** What the groups share: one installed engine. Set before the first test. */
export interface Suite {
  engine: Engine;
  steps: Steps;
}

/** Returns a container that runs a command, then counts as `counting` does. */
export const shellAfter = (command: string, more: object = {}) => {
  const count =
    "t=$(cat /proc/sys/kernel/random/uuid | tr -d -); i=0; while :; do i=$((i+1)); echo count $i token $t sum 0; sleep 1; done";
  return {
    name: "shell",
    image: "localhost:5000/busybox:1",
    command: ["/bin/sh", "-c", `${command}; ${count}`],
    ...more,
  };
};

const SHARED = { volumeMounts: [{ name: "shared", mountPath: "/shared" }] };

/** Counts as `counting` does, and writes its token into the emptyDir that the pod's containers share. */
const WRITER = {
  name: "writer",
  image: "localhost:5000/busybox:1",
  command: [
    "/bin/sh",
    "-c",
    "t=$(cat /proc/sys/kernel/random/uuid | tr -d -); [ -s /shared/token ] || echo $t > /shared/token; i=0; while :; do i=$((i+1)); echo $i > /shared/count; echo count $i token $t sum 0; sleep 1; done",
  ],
  ...SHARED,
};

/** Names of the containers of a pair. */
export const NAMES = ["writer", "reader"] as const;

/** Returns a pod of two containers with an emptyDir. @param megabytes memory of the second one */
export const pairOf = (megabytes: number) => ({
  containers: [WRITER, { ...counting("reader", megabytes), ...SHARED }],
  volumes: [{ name: "shared", emptyDir: {} }],
});
export const PAIR = pairOf(16);
