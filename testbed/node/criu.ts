import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CRIU_HANDLER } from "../../config/engines/criu";
import { NODE_PROGRAM, SERVICE_DIRECTORY, STATE_DIRECTORY, WRAPPER } from "../../config/nodes";
import { openEngine, type Engine } from "./engine";

const SERVICE = "cedana-noded";

/** Configuration of containerd as NodeConfig declares it, without systemd's cgroups, which this node does not have. */
const HANDLER = `version = 3
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.${CRIU_HANDLER.name}]
  runtime_type = "io.containerd.runc.v2"
  pod_annotations = ["cedana.ai/*"]
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.${CRIU_HANDLER.name}.options]
  BinaryName = "${WRAPPER}"
`;

/** Stands in for the systemd units, which start the service when the helper has installed the program, and again when it ends. */
const UNIT = `#!/bin/sh
until [ -x ${NODE_PROGRAM} ]; do sleep 0.2; done
install -d -m 0700 ${SERVICE_DIRECTORY} ${STATE_DIRECTORY}
exec ${NODE_PROGRAM} ${SERVICE}
`;

/** Where the service keeps checkpoints, and the plans of restored pods. */
const DATA = "/var/lib/cedana-cdk";

/** A cluster with the engine `criu`, installed as by a user. Its archives are the checkpoints and requests on the node. */
export interface CriuEngine extends Engine {
  /** Names of the directories with plans, and with what is staged for them. */
  plansOnNode(): readonly string[];
}

/** Installs the engine on a node that has its handler and its service. @param changes changes of `engine` in cedana.yaml */
export async function openCriuEngine(changes: object = {}): Promise<CriuEngine> {
  const folder = mkdtempSync(join(tmpdir(), "criu-"));
  const [handler, unit] = [join(folder, "handler.toml"), join(folder, SERVICE)];
  writeFileSync(handler, HANDLER);
  writeFileSync(unit, UNIT, { mode: 0o755 });
  try {
    const flags = ["--containerd-config", handler, "--node-service", unit];
    const engine = await openEngine({ kind: "criu", ...changes }, flags);
    const names = (directories: string) =>
      engine
        .onNode("sh", "-c", `for each in ${directories}; do ls -A $each 2> /dev/null; done; true`)
        .split("\n")
        .filter(Boolean);
    return {
      ...engine,
      archives: () => names(`${DATA}/checkpoints ${DATA}/agent`),
      plansOnNode: () => names(`${DATA}/restore`),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
