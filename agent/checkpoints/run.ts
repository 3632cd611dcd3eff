import type { KubeletClient } from "../../clients/kubelet";
import type { KubernetesClient } from "../../kube/client";
import type { AgentSettings } from "../../config/programs/agent";
import { NODE_CHECKPOINT, NODE_LABEL, nodeLabelValue } from "../../api";
import { pathOf, Reflector, Store, type Logger } from "../../kube/runtime";
import { sleep } from "../../kube/runtime/backoff";
import type { Identity } from "../registry";
import { ArchiveFolder } from "./archives";
import { Journal } from "./journal";
import { projectNodeCheckpoint, type NodeCheckpointObject } from "./object";
import { pushWith } from "./push";
import { TIMES } from "./tools";
import { Worker } from "./worker";

/** How long questions to the kubelet are waited for when the process is to stop: one that is cut makes a container wait. */
const DRAIN_MS = 20_000;

export interface RunAgentOptions {
  readonly nodeName: string;
  readonly client: KubernetesClient;
  readonly kubelet: Pick<KubeletClient, "checkpoint">;
  readonly identity: Identity;
  readonly log: Logger;
  /** Begins nothing more; what the kubelet was asked is waited for, pushes are given up and begun anew by the next one. */
  readonly stop: AbortSignal;
}

/**
 * Works on the NodeCheckpoints of a node until it is told to stop.
 * @throws errors of the file system, if the state folder cannot be used
 */
export async function runAgent(settings: AgentSettings, options: RunAgentOptions): Promise<void> {
  const { nodeName, client, kubelet, identity, log, stop } = options;
  const store = new Store<NodeCheckpointObject>();
  const reflector = new Reflector({
    name: "nodecheckpoints",
    client,
    path: pathOf(NODE_CHECKPOINT, settings.namespace),
    query: { labelSelector: `${NODE_LABEL}=${nodeLabelValue(nodeName)}` },
    project: projectNodeCheckpoint,
    store,
    log,
    metrics: { reflector: () => NO_METRICS },
  });
  const tools = {
    settings,
    client,
    kubelet,
    journal: new Journal(settings.state, log),
    archives: new ArchiveFolder(settings.archives),
    push: pushWith(settings.registry, identity),
    times: TIMES,
    log,
  };
  const worker = new Worker(tools, store, stop);
  const ending = new AbortController();
  const following = reflector.run(ending.signal);
  const stopped = new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([reflector.synced, stopped]);
  if (!stop.aborted) {
    await worker.start();
    log.info({ node: nodeName, under: tools.journal.list().length }, "works on NodeCheckpoints");
    await stopped;
  }
  await Promise.race([worker.drained(), sleep(DRAIN_MS, ending.signal)]);
  ending.abort();
  await following;
}

/** Nothing listens on the node, so nobody could read any. */
const nothing = () => {};
const NO_METRICS = { listed: nothing, watched: nothing, failed: nothing, contact: nothing };
