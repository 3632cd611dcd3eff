/**
 * The program that runs in the cluster: keeps nodes closed until the agents on them are Ready, and acts on checkpoint
 * objects. `runController` is all of it but flags and files.
 */
import { randomUUID } from "node:crypto";
import type { KubernetesClient } from "../kube/client";
import type { ControllerSettings } from "../config/programs/controller";
import { Checkpoints } from "./checkpoints";
import { createEngines } from "./engines";
import { ReadinessGate } from "./readiness";
import { Claims, Restore } from "./restore";
import {
  contactChecks,
  EventLoopCheck,
  EventRecorder,
  fenced,
  LeaderElector,
  leaseCheck,
  metricsRoute,
  probes,
  runProcess,
  StatusServer,
  syncChecks,
  type Logger,
  type Metrics,
  type Part,
} from "../kube/runtime";

export { createLogger, EXIT, Metrics } from "../kube/runtime";

export interface RunControllerOptions {
  /** Name of the pod, or of the machine. Each process adds to it, so that two lives of one pod differ. */
  readonly identity: string;
  /** Port of `/metrics`; 0 for any free one. */
  readonly metricsPort: number;
  /** Port of `/healthz` and `/readyz`; 0 for any free one. */
  readonly healthPort: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Runs the controller until a signal, a lost lease or a failure.
 *
 * @param client sends as the controller; without the lease only what reads is let through
 * @returns exit code, as `EXIT` names them
 */
export async function runController(
  settings: ControllerSettings,
  client: KubernetesClient,
  { identity: name, metricsPort, healthPort, log, metrics }: RunControllerOptions,
): Promise<number> {
  const identity = `${name}_${randomUUID()}`;
  const elector = new LeaderElector({
    client,
    namespace: settings.namespace,
    name: settings.leaseName,
    identity,
    log,
    metrics,
  });
  const writer = fenced(client, elector);
  const events = new EventRecorder({ client: writer, identity, log, metrics });
  const options = { client: writer, events, log, metrics };
  const restore = restoreOf(settings, { ...options, claims: new Claims(client) });
  const parts = [...partsOf(settings, options), ...(restore ? [restore] : [])];
  metrics.collectProcess();

  const eventLoop = new EventLoopCheck();
  const health = new StatusServer(
    probes({
      healthz: [eventLoop, leaseCheck(elector), ...contactChecks(parts)],
      readyz: [...syncChecks(parts), ...(restore ? [restore.check] : [])],
    }),
  );
  const figures = new StatusServer(metricsRoute(metrics.registry));
  log.info({ identity, parts: parts.map((part) => part.name) }, "starting");
  try {
    return await runProcess({
      parts,
      elector,
      events,
      log,
      servers: [
        listening("health", health, healthPort, log),
        listening("metrics", figures, metricsPort, log),
        ...(restore ? [restore.webhook] : []),
      ],
    });
  } finally {
    eventLoop.stop();
  }
}

interface PartOptions {
  readonly client: KubernetesClient;
  readonly events: EventRecorder;
  readonly log: Logger;
  readonly metrics: Metrics;
}

function partsOf(settings: ControllerSettings, options: PartOptions): readonly Part[] {
  const parts: Part[] = [];
  if (settings.gate) parts.push(new ReadinessGate({ ...options, settings: settings.gate }));
  if (settings.checkpoints)
    parts.push(
      new Checkpoints({
        ...options,
        settings: settings.checkpoints,
        engines: createEngines(settings.checkpoints, options),
      }),
    );
  return parts;
}

function restoreOf(
  { restore: settings, namespace }: ControllerSettings,
  options: PartOptions & { readonly claims: Claims },
): Restore | undefined {
  return settings ? new Restore({ ...options, settings, namespace }) : undefined;
}

function listening(name: string, server: StatusServer, port: number, log: Logger) {
  return {
    start: async () => log.info({ server: name, port: await server.listen(port) }, "listening"),
    close: () => server.close(),
  };
}
