import { NODE_LABEL, nodeLabelValue } from "../api";
import type { AgentSettings } from "../config/programs/agent";
import { Cache, Client, sleep, type Logger, type Transport } from "../kube";
import { criuRunners, type EngineTools } from "./engines";

/** How long requests on the node are awaited when the process stops: an aborted one delays its container. */
const DRAIN_MS = 20_000;

/** Name of the agent's writes in `managedFields`. */
const FIELD_MANAGER = "cedana-agent";

export interface RunAgentOptions extends Pick<EngineTools, "identity"> {
  readonly nodeName: string;
  readonly transport: Transport;
  readonly log: Logger;
  /** Starts no further job. Requests on the node are awaited; transfers are aborted and repeated after the restart. */
  readonly stop: AbortSignal;
}

/**
 * Processes the requests to a node until the signal.
 * @throws errors of the file system, if the state directory cannot be used
 */
export async function runAgent(settings: AgentSettings, options: RunAgentOptions): Promise<void> {
  const { nodeName, transport, identity, log, stop } = options;
  const cache = new Cache({ transport, log });
  const runners = criuRunners(settings, {
    client: new Client(transport, { fieldManager: FIELD_MANAGER }),
    objects: (kind) =>
      cache.objects(kind, {
        namespaces: [settings.namespace],
        labelSelector: `${NODE_LABEL}=${nodeLabelValue(nodeName)}`,
      }),
    identity,
    log,
    stop,
  });
  const ending = new AbortController();
  const running = cache.run(ending.signal);
  const stopped = new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([Promise.all(runners.map(({ synced }) => synced)), stopped]);
  if (!stop.aborted) {
    for (const runner of runners) await runner.start();
    log.info({ node: nodeName, engine: settings.engine }, "processing requests to the node");
    await stopped;
  }
  const drained = Promise.all(runners.map((runner) => runner.drained()));
  await Promise.race([drained, sleep(DRAIN_MS, ending.signal)]);
  ending.abort();
  await running;
}
