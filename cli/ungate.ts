import { ApiError, type Json, type KubernetesClient } from "../kube/client";
import { toTaintText } from "../config";
import {
  conditionPatch,
  hasOurs,
  pathOfNode,
  projectNode,
  taintPatch,
  type GateNode,
} from "../controller/readiness/rules";
import { type GateSettings } from "../config/programs/controller";
import { CommandError, EXIT } from "./exit";
import { refused } from "./explain";
import { connect } from "./cluster";
import { gateOf, type ClusterChoice, type Gate } from "./explain-settings";
import { kubectl } from "./shell";

type Client = Pick<KubernetesClient, "send">;

export interface UngateOptions extends ClusterChoice {
  /** Does it; else it is only said what would be done. */
  readonly yes: boolean;
  /** Also while the controller runs. */
  readonly force: boolean;
}

const PAGE = 500;
const PARALLEL = 8;
const ATTEMPTS = 5;
const WRITER = { fieldManager: "cedana-cdk" };
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
  const nodes = (await listNodes(client, settings)).filter(
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

async function listNodes(client: Client, settings: GateSettings): Promise<readonly GateNode[]> {
  const nodes: GateNode[] = [];
  let token: string | undefined = "";
  while (token !== undefined) {
    const query = { limit: String(PAGE), ...(token !== "" && { continue: token }) };
    const list = (await client.send("GET", "/api/v1/nodes", undefined, { query })) as {
      readonly metadata: { readonly continue?: string };
      readonly items: readonly Json[];
    };
    nodes.push(...list.items.map((item) => projectNode(item, settings)));
    token = list.metadata.continue === "" ? undefined : list.metadata.continue;
  }
  return nodes;
}

async function clean(client: Client, settings: GateSettings, observed: GateNode): Promise<void> {
  const path = pathOfNode(observed.metadata.name);
  let node = observed;
  for (let attempt = 1; ; attempt++) {
    try {
      const patch = taintPatch(node, "remove", settings.taint);
      const body = { type: "application/json-patch+json", content: patch };
      if (patch) await client.send("PATCH", path, body, { query: WRITER });
      const noCondition = conditionPatch(node, "remove", Date.now());
      if (node.condition) await client.send("PATCH", `${path}/status`, noCondition, { query: WRITER });
      return;
    } catch (error) {
      const status = error instanceof ApiError ? error.status : 0;
      if (status === 404) return;
      if ((status !== 409 && status !== 422) || attempt === ATTEMPTS) throw error;
      node = projectNode((await client.send("GET", path)) as Json, settings);
    }
  }
}

interface Lease {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly renewTime?: string;
    readonly leaseDurationSeconds?: number;
  };
}

async function refuseBesideController(client: Client, { controller }: Gate, kubectl: string): Promise<void> {
  const { namespace, name } = controller;
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`;
  const lease = await client.send("GET", path).catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 404) return {};
    throw error;
  });
  const { holderIdentity = "", renewTime, leaseDurationSeconds = 15 } = (lease as Lease).spec ?? {};
  if (holderIdentity === "" || renewTime === undefined) return;
  if (Date.parse(renewTime) + leaseDurationSeconds * 1000 <= Date.now()) return; // A time that cannot be read has not expired.
  throw new CommandError(
    `the controller runs (${holderIdentity} holds the Lease ${namespace}/${name}) and would gate the nodes again; stop it first:\n  ${kubectl} -n ${namespace} scale deployment/${name} --replicas=0\n--force goes on beside it`,
    EXIT.badInput,
  );
}
