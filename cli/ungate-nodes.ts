import { rawKind, retryOnConflict, textAt, numberAt, type Client } from "../kube/client";
import { toTaintText } from "../config";
import { conditionPatch, gateKinds, hasOurs, taintPatch, type GateNode } from "../controller/readiness/rules";
import { type GateSettings } from "../config/programs/controller";
import { CommandError, EXIT } from "./errors";
import type { ClusterOptions } from "./cluster";
import type { Gate } from "./gate";
import { kubectl } from "./shell";

export interface UngateOptions extends ClusterOptions {
  /** Writes; otherwise a dry run. */
  readonly yes: boolean;
  /** Also while the controller runs. */
  readonly force: boolean;
}

const PARALLEL = 8;
const LEASE = rawKind("coordination.k8s.io/v1", "Lease", "leases");
const HINT =
  "Nodes that register later still have the taint until startupTaint is removed from their node groups and node pools.";

/**
 * Removes the gate's taint and condition from all nodes: the last step of an uninstall.
 * @throws CommandError (exit code 2) while the controller runs, which would gate the nodes again
 */
export async function ungateNodes(
  client: Client,
  gate: Gate,
  { yes, force, ...cluster }: UngateOptions,
): Promise<string> {
  const { settings } = gate;
  const taint = toTaintText(settings.taint);
  const nodes = (await client.list(gateKinds(settings).nodes)).filter(
    (node) => hasOurs(node, settings.taint) || node.condition,
  );
  if (nodes.length === 0) return `No node has the taint ${taint} or the condition CedanaReady.\n${HINT}\n`;
  const names = nodes.map(({ metadata }) => `  ${metadata.name}\n`).join("");
  if (!yes) {
    return `${counted(nodes)} with the taint ${taint} or the condition CedanaReady:\n${names}Nothing was written. Run again with --yes to remove them.\n${HINT}\n`;
  }
  if (!force) await checkNoLeader(client, gate, kubectl(cluster));
  const queue = [...nodes];
  const worker = async () => {
    for (let node = queue.shift(); node; node = queue.shift()) await clean(client, settings, node);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return `Removed the taint ${taint} and the condition CedanaReady from ${counted(nodes)}:\n${names}${HINT}\n`;
}

/** Returns the number of nodes with its noun. */
function counted({ length }: readonly unknown[]): string {
  return length === 1 ? "1 node" : `${length} nodes`;
}

/** Removes taint and condition from one node, again after a conflict. */
async function clean(client: Client, settings: GateSettings, observed: GateNode): Promise<void> {
  const { nodes } = gateKinds(settings);
  const { name } = observed.metadata;
  let node = observed;
  await retryOnConflict(
    async () => {
      const patch = taintPatch(node, "remove", settings.taint);
      if (patch) await client.jsonPatch(nodes, { name }, patch);
      if (!node.condition) return;
      const withoutCondition = conditionPatch(node, "remove", Date.now());
      await client.strategicPatch(nodes, node.metadata, withoutCondition, { subresource: "status" });
    },
    async () => {
      const live = await client.get(nodes, { name });
      node = live ?? node;
      return live !== undefined;
    },
  );
}

/** @throws CommandError if a controller holds the Lease */
async function checkNoLeader(client: Client, { controller }: Gate, kubectl: string): Promise<void> {
  const { namespace, name } = controller;
  const lease = await client.get(LEASE, { namespace, name });
  const holderIdentity = textAt(lease, "spec", "holderIdentity") ?? "";
  const renewTime = textAt(lease, "spec", "renewTime");
  const leaseDurationSeconds = numberAt(lease, "spec", "leaseDurationSeconds") ?? 15;
  if (holderIdentity === "" || renewTime === undefined) return;
  // An invalid time counts as not expired.
  if (Date.parse(renewTime) + leaseDurationSeconds * 1000 <= Date.now()) return;
  throw new CommandError(
    `the controller runs (${holderIdentity} holds the Lease ${namespace}/${name}) and would gate the nodes again; stop it first:\n  ${kubectl} -n ${namespace} scale deployment/${name} --replicas=0\n--force overrides this`,
    EXIT.badInput,
  );
}
