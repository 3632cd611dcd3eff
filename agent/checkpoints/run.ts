import type { KubeletClient } from "../../clients/kubelet";
import type { AgentSettings } from "../../config/programs/agent";
import { NODE_LABEL, nodeLabelValue } from "../../api";
import { Cache, Client, sleep, type Logger, type Transport } from "../../kube";
import type { Identity } from "../registry";
import { ArchiveDirectory } from "./archives";
import { pushWith, TIMES, type JobContext } from "./context";
import { Journal } from "./journal";
import { NODE_CHECKPOINT } from "./status";
import { Worker } from "./worker";

/** How long requests to the kubelet are awaited when the process stops: an aborted one delays its container. */
const DRAIN_MS = 20_000;

/** Name of the agent's writes in `managedFields`. */
const FIELD_MANAGER = "cedana-agent";

export interface RunAgentOptions {
  readonly nodeName: string;
  readonly transport: Transport;
  readonly kubelet: Pick<KubeletClient, "checkpoint">;
  readonly identity: Identity;
  readonly log: Logger;
  /** Starts no further job. Requests to the kubelet are awaited; pushes are aborted and repeated after the restart. */
  readonly stop: AbortSignal;
}

/**
 * Runs the NodeCheckpoints of a node until the signal.
 * @throws errors of the file system, if the state directory cannot be used
 */
export async function runAgent(settings: AgentSettings, options: RunAgentOptions): Promise<void> {
  const { nodeName, transport, kubelet, identity, log, stop } = options;
  const cache = new Cache({ transport, log });
  const nodeCheckpoints = cache.objects(NODE_CHECKPOINT, {
    namespaces: [settings.namespace],
    labelSelector: `${NODE_LABEL}=${nodeLabelValue(nodeName)}`,
  });
  const context: JobContext = {
    settings,
    client: new Client(transport, { fieldManager: FIELD_MANAGER }),
    kubelet,
    journal: new Journal(settings.state, log),
    archives: new ArchiveDirectory(settings.archives),
    push: pushWith(settings.registry, identity),
    times: TIMES,
    log,
  };
  const worker = new Worker(context, nodeCheckpoints, stop);
  const ending = new AbortController();
  const running = cache.run(ending.signal);
  const stopped = new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([nodeCheckpoints.synced, stopped]);
  if (!stop.aborted) {
    await worker.start();
    log.info({ node: nodeName, resumed: context.journal.list().length }, "processing NodeCheckpoints");
    await stopped;
  }
  await Promise.race([worker.drained(), sleep(DRAIN_MS, ending.signal)]);
  ending.abort();
  await running;
}
