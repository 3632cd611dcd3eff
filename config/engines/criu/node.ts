/** What the engine `criu` has on a node. The host service and the wrapper have the same paths built in (docs/runtime). */
import type { RuntimeHandler } from "../../nodes/settings";

/** Directory where the helper installs CRIU and the programs of the node. */
export const NODE_FOLDER = "/opt/cedana-cdk";
/** Program of the node below the directory: the host service, and the restore of the wrapper. */
export const NODE_PROGRAM = `${NODE_FOLDER}/current/bin/cedana-node`;
/** Path of the OCI runtime wrapper. The helper copies it there, and it stays after an uninstall. */
export const WRAPPER = "/usr/local/bin/cedana-runc";
/** Directory of the host service's socket. */
export const SERVICE_DIRECTORY = "/run/cedana-cdk/node";
/** Unix socket of the host service. */
export const SERVICE_SOCKET = `${SERVICE_DIRECTORY}/node.sock`;
/** File with the path of the OCI runtime that the wrapper calls. */
export const RUNTIME_FILE = "/etc/cedana-cdk/runtime";

/** Runtime handler that restores containers. containerd passes only these annotations of a pod to the wrapper. */
export const CRIU_HANDLER: RuntimeHandler = {
  name: "cedana-criu",
  runtimeType: "io.containerd.runc.v2",
  runtimePath: false,
  binary: WRAPPER,
  podAnnotations: ["cedana.ai/*"],
};
