/** What a node of the engine `criu` has from its boot on: docs/nodes/node-service.md. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { NODE_PROGRAM, SERVICE_DIRECTORY, STATE_DIRECTORY } from "../../config/nodes";
import { ROOT } from "./run";
import { KIND, type Kind, type Testbed } from "./testbed";

const SERVICE = "cedana-noded";
/** Directory of the files of docs/try-it.md. */
export const TRY_IT = join(ROOT, "docs/try-it");

/** Returns the configuration of containerd. The node in namespaces has no systemd, so no cgroups of it either. */
export const handlerOf = (kind: Kind) =>
  readFileSync(join(TRY_IT, "containerd.toml"), "utf8").replace(
    "SystemdCgroup = true",
    `SystemdCgroup = ${kind === "vm"}`,
  );

/** Stands in for the systemd units: starts the service when the helper has installed the program, and again when it ends. */
export const UNIT = `#!/bin/sh
until [ -x ${NODE_PROGRAM} ]; do sleep 0.2; done
install -d -m 0700 ${SERVICE_DIRECTORY} ${STATE_DIRECTORY}
exec ${NODE_PROGRAM} ${SERVICE}
`;

/** Runs the boot script of the host service on a node with systemd. */
export function bootService(testbed: Testbed): void {
  if (KIND === "vm") testbed.feed(readFileSync(join(TRY_IT, "node-service.sh")), "bash", "-s");
}
