import { rawKind, retryOnConflict, textAt, numberAt, type Client } from "../kube/client";
import { toTaintText } from "../config";
import { conditionPatch, gateKinds, hasOurs, taintPatch, type GateNode } from "../controller/readiness/rules";
import { type GateSettings } from "../config/programs/controller";
import { CommandError, EXIT } from "./exit";
import { refused } from "./explain";
import { connect } from "./cluster";
import { gateOf, type ClusterChoice, type Gate } from "./explain-settings";
import { kubectl } from "./shell";

export interface UngateOptions extends ClusterChoice {
  /** Writes; otherwise a dry run. */
  readonly yes: boolean;
  /** Also while the controller runs. */
  readonly force: boolean;
}

const PARALLEL = 8;
const LEASE = rawKind("coordination.k8s.io/v1", "Lease", "leases");
const HINT =
  "Nodes that are registered later still bring the taint, until startupTaint is taken from their node groups and node pools.";

/**
 * Takes the gate's taint and condition from all nodes, and nothing else: the last step of an uninstall.
 * @throws CommandError (exit code 2) while the controller runs, which would put the condition back
 */
export async function ungate(options: UngateOptions): Promise<string> {
  const gate = gateOf(options.file);
  const client = await connect(options);
  return ungateNodes(client, gate, options).catch((error: unknown) =>
    error instanceof CommandError ? Promise.reject(error) : refused(error),
  );
}

export async function ungateNodes(
  client: Client,
  gate: Gate,
  { yes, force, ...cluster }: Omit<UngateOptions, "file">,
): Promise<string> {
  const { settings } = gate;
  const taint = toTaintText(settings.taint);
  const nodes = (await client.list(gateKinds(settings).nodes)).filter(
    (node) => hasOurs(node, settings.taint) || node.condition,
  );
  if (nodes.length === 0) return `No node has the taint ${taint} or the condition CedanaReady.\n${HINT}\n`;
  const names = nodes.map(({ metadata }) => `  ${metadata.name}\n`).join("");
  if (!yes) {
    return `${counted(nodes)} with the taint ${taint} or the condition CedanaReady:\n${names}Nothing was written. Run again with --yes to take them away.\n${HINT}\n`;
  }
  if (!force) await refuseBesideController(client, gate, kubectl(cluster));
  const queue = [...nodes];
  const worker = async () => {
    for (let node = queue.shift(); node; node = queue.shift()) await clean(client, settings, node);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return `Took the taint ${taint} and the condition CedanaReady from ${counted(nodes)}:\n${names}${HINT}\n`;
}

function counted({ length }: readonly unknown[]): string {
  return length === 1 ? "1 node" : `${length} nodes`;
}

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

async function refuseBesideController(client: Client, { controller }: Gate, kubectl: string): Promise<void> {
  const { namespace, name } = controller;
  const lease = await client.get(LEASE, { namespace, name });
  const holderIdentity = textAt(lease, "spec", "holderIdentity") ?? "";
  const renewTime = textAt(lease, "spec", "renewTime");
  const leaseDurationSeconds = numberAt(lease, "spec", "leaseDurationSeconds") ?? 15;
  if (holderIdentity === "" || renewTime === undefined) return;
  if (Date.parse(renewTime) + leaseDurationSeconds * 1000 <= Date.now()) return; // A time that cannot be read has not expired.
  throw new CommandError(
    `the controller runs (${holderIdentity} holds the Lease ${namespace}/${name}) and would gate the nodes again; stop it first:\n  ${kubectl} -n ${namespace} scale deployment/${name} --replicas=0\n--force goes on beside it`,
    EXIT.badInput,
  );
}
