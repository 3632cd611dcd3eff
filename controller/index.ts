/**
 * The controller program: gates nodes until their agents are Ready, and reconciles Checkpoints and restores. `runController` is
 * the program without flags and files.
 */
import { randomUUID } from "node:crypto";
import type { ControllerSettings } from "../config/programs/controller";
import {
  Cache,
  Client,
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
  WebhookProcess,
  type Webhook,
  type WebhookProcessOptions,
  type Controller,
  type Logger,
  type Metrics,
  type Transport,
} from "../kube";
import { artifactControllers } from "./artifacts";
import { checkpointControllers } from "./checkpoints";
import { denialsController } from "./denials";
import { createEngines, type Engines } from "./engines";
import { policyControllers } from "./policies";
import { policyWebhook } from "./policies/webhook";
import { ReadinessGate } from "./readiness";
import { Claims, createRestore, type Restore } from "./restore";
import type { Runtime } from "./runtime";
import { Verification } from "./verify";

export { createLogger, EXIT, Metrics } from "../kube";
export { planPolicy, type RetentionEntry, type RetentionObjects } from "./policies/retention";

/** Name of the controller's writes in `managedFields`. */
const FIELD_MANAGER = "cedana-controller";

export interface RunControllerOptions {
  /** Name of the pod or host. Each process appends a suffix, so that it differs after a restart in the same pod. */
  readonly identity: string;
  /** Port of `/metrics`; 0 for any free one. */
  readonly metricsPort: number;
  /** Port of `/healthz` and `/readyz`; 0 for any free one. */
  readonly healthPort: number;
  readonly log: Logger;
  readonly metrics: Metrics;
  /**
   * The program that runs as the webhook's process, if its first argument is WEBHOOK_ARGUMENT. Default: the webhook is served
   * in this process.
   */
  readonly webhookProgram?: string;
}

/**
 * Runs the controller until a signal, a lost lease or a failure.
 *
 * @param transport sends requests. Without the lease, only reads and the claims of the webhook are sent
 * @returns exit code, as `EXIT` names them
 */
export async function runController(
  settings: ControllerSettings,
  transport: Transport,
  { identity: name, metricsPort, healthPort, log, metrics, webhookProgram: program }: RunControllerOptions,
): Promise<number> {
  const { namespace, leaseName } = settings;
  const identity = `${name}_${randomUUID()}`;
  const elector = new LeaderElector({ transport, namespace, name: leaseName, identity, log, metrics });
  const leading = fenced(transport, elector);
  const cache = new Cache({ transport, log, metrics });
  const clientOptions = {
    fieldManager: FIELD_MANAGER,
    observe: (...observed: Parameters<Cache["observe"]>) => cache.observe(...observed),
  };
  const client = new Client(leading, clientOptions);
  const events = new EventRecorder({ transport: leading, identity, log, metrics });
  const runtime: Runtime = { cache, client, events, log, metrics };
  const engines = settings.checkpoints ? createEngines(settings.checkpoints, runtime) : new Map();
  // Writes of replicas without the Lease: of the webhooks, which each replica serves.
  const replica = new Client(transport, clientOptions);
  const serve =
    program === undefined
      ? undefined
      : (server: ServerOptions) => new WebhookProcess({ ...server, program, level: settings.log.level });
  const requests = requestsOf(settings, runtime, replica, serve);
  const restore = restoreOf(settings, runtime, engines, new Claims(replica), serve, requests);
  const controllers = [
    ...controllersOf(settings, runtime, engines),
    ...(restore?.controllers ?? []),
    denialsController(runtime),
  ];
  metrics.collectProcess();

  const eventLoop = new EventLoopCheck();
  const health = new StatusServer(
    probes({
      healthz: [eventLoop, leaseCheck(elector), ...contactChecks(cache.informers)],
      readyz: [...syncChecks(cache.informers), ...(restore?.checks ?? [])],
    }),
  );
  const metricsServer = new StatusServer(metricsRoute(metrics.registry));
  log.info({ identity, controllers: controllers.map((one) => one.name) }, "starting");
  try {
    return await runProcess({
      cache,
      controllers,
      elector,
      events,
      log,
      servers: [
        listening("health", health, healthPort, log),
        listening("metrics", metricsServer, metricsPort, log),
        ...(restore ? [restore.webhook] : []),
        ...requests,
      ],
    });
  } finally {
    eventLoop.stop();
  }
}

function controllersOf(
  settings: ControllerSettings,
  runtime: Runtime,
  engines: Engines,
): readonly Controller[] {
  const { gate, checkpoints, policies, restore } = settings;
  const verification = verificationOf(settings, runtime, engines);
  return [
    ...(gate ? new ReadinessGate({ ...runtime, settings: gate }).controllers : []),
    ...(checkpoints ? checkpointControllers({ ...runtime, settings: checkpoints, engines }) : []),
    ...(checkpoints ? artifactControllers({ ...runtime, settings: checkpoints, restore, engines }) : []),
    ...(checkpoints && policies
      ? policyControllers({
          ...runtime,
          settings: policies,

          checkpoints,
          verification,
        })
      : []),
    ...(verification ? [verification.controller] : []),
  ];
}

/** Only with an engine that restores pods by a plan. */
function verificationOf(
  { checkpoints, policies, restore }: ControllerSettings,
  runtime: Runtime,
  engines: Engines,
): Verification | undefined {
  if (!checkpoints || !policies || !policies.verify || !restore) return undefined;
  const method = [...engines.values()].find(
    ({ restoreMethod }) => restoreMethod !== undefined,
  )?.restoreMethod;
  if (method === undefined) return undefined;
  const { namespaces } = checkpoints;
  return new Verification({ ...runtime, settings: policies.verify, namespaces, method });
}

type ServerOptions = Omit<WebhookProcessOptions, "program" | "level">;
type Serve = ((server: ServerOptions) => Webhook) | undefined;

/** Returns the server of the trigger `webhook`, if there is one. It serves the certificate of restore. */
function requestsOf(
  { policies, checkpoints, restore, namespace }: ControllerSettings,
  runtime: Runtime,
  client: Client,
  serve: Serve,
): readonly Webhook[] {
  if (!policies || !policies.webhook || !checkpoints || !restore) return [];
  const { namespaces } = checkpoints;
  return [policyWebhook({ ...runtime, settings: policies.webhook, namespace, namespaces, client, serve })];
}

function restoreOf(
  { restore: settings, namespace }: ControllerSettings,
  runtime: Runtime,
  engines: Engines,
  claims: Claims,
  serve: Serve,
  alsoCertified: readonly Webhook[],
): Restore | undefined {
  if (!settings) return undefined;
  return createRestore({ ...runtime, settings, engines, namespace, claims, serve, alsoCertified });
}

function listening(name: string, server: StatusServer, port: number, log: Logger) {
  return {
    start: async () => log.info({ server: name, port: await server.listen(port) }, "listening"),
    close: () => server.close(),
  };
}
