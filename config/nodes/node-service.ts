/** Paths of the host service and the OCI runtime wrapper on a node. Both programs have them built in (docs/runtime). */

/** Directory where the helper installs CRIU and the programs of the node. */
export const NODE_FOLDER = "/opt/cedana-cdk";
/** Program of the node: the host service, and the restore of the wrapper. */
export const NODE_PROGRAM = `${NODE_FOLDER}/current/bin/cedana-node`;
/** Path of the wrapper. The helper copies the program there, and the copy stays after an uninstall. */
export const WRAPPER = "/usr/local/bin/cedana-runc";
/** Directory of the host service's socket. Only root may have access to it. */
export const SERVICE_DIRECTORY = "/run/cedana-cdk/node";
/** Unix socket of the host service. */
export const SERVICE_SOCKET = `${SERVICE_DIRECTORY}/node.sock`;
/** Directory of the socket on which the host service answers only the health check. */
export const STATE_DIRECTORY = "/run/cedana-cdk/state";
/** Unix socket on which the host service returns its state, and does nothing else. */
export const STATE_SOCKET = `${STATE_DIRECTORY}/state.sock`;
/** File with the path of the OCI runtime that the wrapper calls. */
export const RUNTIME_FILE = "/etc/cedana-cdk/runtime";
