/** What a node of the engine `criu` has from its boot on: docs/nodes/node-service.md. */
import { CRIU_HANDLER } from "../../config/engines/criu";
import { NODE_PROGRAM, SERVICE_DIRECTORY, WRAPPER } from "../../config/nodes";
import { renderNodeService } from "../../render/user-data/node-service";
import { KIND, type Kind, type Testbed } from "./testbed";

const SERVICE = "cedana-noded";
const RUNTIME = `plugins."io.containerd.cri.v1.runtime".containerd.runtimes.${CRIU_HANDLER.name}`;

/** Returns the configuration of containerd. The node in namespaces has no systemd, so no cgroups of it either. */
export const handlerOf = (kind: Kind) => `version = 3
[${RUNTIME}]
  runtime_type = "${CRIU_HANDLER.runtimeType}"
  pod_annotations = ${JSON.stringify(CRIU_HANDLER.podAnnotations)}
[${RUNTIME}.options]
  BinaryName = "${WRAPPER}"
  SystemdCgroup = ${kind === "vm"}
`;

/** Stands in for the systemd units: starts the service when the helper has installed the program, and again when it ends. */
export const UNIT = `#!/bin/sh
until [ -x ${NODE_PROGRAM} ]; do sleep 0.2; done
install -d -m 0700 ${SERVICE_DIRECTORY}
exec ${NODE_PROGRAM} ${SERVICE}
`;

/** Runs the boot script of the user data on a node with systemd. */
export function bootService(testbed: Testbed): void {
  if (KIND === "vm") testbed.feed(renderNodeService({ runtimeBinary: "/usr/sbin/runc" }), "bash", "-s");
}
