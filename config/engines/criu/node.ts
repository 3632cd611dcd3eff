import { WRAPPER } from "../../nodes/node-service";
import type { RuntimeHandler } from "../../nodes/settings";

/** Runtime handler that restores containers. containerd passes only these annotations of a pod to the wrapper. */
export const CRIU_HANDLER: RuntimeHandler = {
  name: "cedana-criu",
  runtimeType: "io.containerd.runc.v2",
  runtimePath: false,
  binary: WRAPPER,
  podAnnotations: ["cedana.ai/*"],
};
