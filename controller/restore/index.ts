/** Restore of pods from checkpoints: admission webhook, claims, requests to the agents, fallback. */
import { RESTORED_FROM, WEBHOOK_PATH } from "../../api";
import type { RestoreSettings } from "../../config/programs/controller";
import {
  WebhookServer,
  certificateControllers,
  controller,
  webhookCounters,
  keyOf,
  type Controller,
  type HealthCheck,
  type Webhook,
  type WebhookProcessOptions,
} from "../../kube";
import { CHECKPOINT } from "../checkpoints/objects";
import type { Engines, PlanRestore } from "../engines";
import type { Runtime } from "../runtime";
import { Admitter } from "./admitter";
import { Candidates } from "./candidates";
import type { Claims } from "./claims";
import {
  ClaimReconciler,
  hasRun,
  PodReconciler,
  STARTED,
  UNANSWERED,
  UNANSWERED_POD,
  UnansweredReconciler,
} from "./outcome";
import { NODE_RESTORE, NodeRestoreReconciler, podKeyOf } from "./plan";
import { isRequested, RESTORED_POD, type RestoredPod } from "./pods";
import { Report } from "./report";

export { Claims } from "./claims";

export interface RestoreOptions extends Runtime {
  readonly settings: RestoreSettings;
  readonly engines: Engines;
  /** Namespace of the controller and of the Secret with the certificate. */
  readonly namespace: string;
  /** Writes on every replica. */
  readonly claims: Claims;
  /** Creates the server of the webhook. Default: one in this process. */
  readonly serve?: (options: Omit<WebhookProcessOptions, "program" | "level">) => Webhook;
  /** Other servers that serve the same certificate. */
  readonly alsoCertified?: readonly Pick<Webhook, "use">[];
}

/** Longest delay after failures. */
const MAX_DELAY_MS = 60_000;

/** The controllers and the webhook of one process. */
export interface Restore {
  /** Reconcile restored pods and claims, and rotate the certificate. They run on the leader. */
  readonly controllers: readonly Controller[];
  /** Makes pods be restored at admission. Runs on every replica. */
  readonly webhook: Webhook;
  /** Checks of this replica for `/readyz`. */
  readonly checks: readonly HealthCheck[];
}

/** Creates the controllers and the webhook that restore pods. */
export function createRestore(options: RestoreOptions): Restore {
  const { settings, namespace, claims, cache, events, metrics, client, log } = options;
  const report = new Report(events, metrics, log);
  const methods = restoreMethods(options.engines);
  const checkpoints = cache.objects(CHECKPOINT, { namespaces: settings.namespaces, skipDenied: true });
  const candidates = new Candidates({ client, checkpoints, log });
  const pods = restoredPods(options);
  const deniedIn = (namespace: string) =>
    (checkpoints.deniedIn(namespace) ?? pods.deniedIn(namespace))?.message;
  const admitter = new Admitter({ settings, methods, client, candidates, claims, deniedIn, report, log });
  const { serve = (server) => new WebhookServer(server) } = options;
  const webhook = serve({
    port: settings.port,
    log,
    ...webhookCounters(metrics),
    handlers: { [WEBHOOK_PATH]: (request) => admitter.admit(request) },
  });
  const certificates = certificateControllers({
    name: "restore-certificate",
    settings: { ...settings, namespace, authorityName: "cedana-restore-ca" },
    rotate: settings.certificates === "own",
    server: certified(webhook, options.alsoCertified ?? []),
    cache,
    client,
    log,
    metrics,
    maxDelayMs: MAX_DELAY_MS,
  });
  const [plan] = methods.values();
  const controllers = [...outcomeControllers(options, report, plan), ...certificates];
  return { controllers, webhook, checks: [webhook.check, ...planChecks(options, plan)] };
}

/** Returns the webhook as the servers that use its certificate. */
function certified(
  webhook: Webhook,
  others: readonly Pick<Webhook, "use">[],
): Pick<Webhook, "use" | "validity"> {
  return {
    get validity() {
      return webhook.validity;
    },
    use: (pair) => [webhook, ...others].forEach((server) => server.use(pair)),
  };
}

/** Pods that admission has decided on. */
function restoredPods({ cache, settings: { namespaces } }: RestoreOptions) {
  return cache.objects(RESTORED_POD, { namespaces, labelSelector: RESTORED_FROM, skipDenied: true });
}

/** Checks that restores can be requested: pods that wait for a plan without a request would wait in vain. */
function planChecks({ cache }: RestoreOptions, plan: PlanRestore | undefined): HealthCheck[] {
  if (!plan) return [];
  const requests = cache.objects(NODE_RESTORE, { namespaces: [plan.namespace] });
  return [{ name: "restore-requests", failure: () => requests.deniedIn(plan.namespace)?.message }];
}

function restoreMethods(engines: Engines): ReadonlyMap<string, PlanRestore> {
  const all = [...engines.values()].flatMap(({ name, restoreMethod }) =>
    restoreMethod === undefined ? [] : [[name, restoreMethod] as const],
  );
  return new Map(all);
}

function outcomeControllers(
  options: RestoreOptions,
  report: Report,
  plan: PlanRestore | undefined,
): readonly Controller[] {
  const { settings, cache, client, log, metrics } = options;
  const { namespaces } = settings;
  const checkpoints = cache.objects(CHECKPOINT, { namespaces, skipDenied: true });
  const pods = restoredPods(options);
  const checkpointsByUid = checkpoints.index(({ metadata }) => [metadata.uid]);
  const checkpointsByPod = checkpoints.index(({ status: { podUID } }) =>
    podUID === undefined ? [] : [podUID],
  );
  const checkpointOf = (pod: RestoredPod) =>
    checkpointsByUid(pod.from ?? "").find((checkpoint) => isRequested(pod, checkpoint));
  const podsByUid = pods.index(({ metadata }) => [metadata.uid]);
  const podsByCheckpoint = pods.index(({ from }) => (from === undefined ? [] : [from]));
  // Without such an engine the kind is not installed.
  const nodeRestores = plan && cache.objects(NODE_RESTORE, { namespaces: [plan.namespace] });
  const podReconciler = new PodReconciler({
    client,
    report,
    pod: (key) => pods.get(key),
    checkpoint: checkpointOf,
    checkpointsOf: (podUID) => [...checkpointsByPod(podUID)],
    nodeRestore: (podUID) => plan && nodeRestores?.get(`${plan.namespace}/${podUID}`),
  });
  const claimReconciler = new ClaimReconciler({
    client,
    report,
    log,
    checkpoint: (key) => checkpoints.get(key),
    exists: (uid) => podsByUid(uid).length > 0,
  });
  pods.onChange(({ old, new: now }) => {
    if (now || !old) return;
    podReconciler.podDeleted(old.metadata.uid);
    claimReconciler.podDeleted(old.metadata.uid, hasRun(old));
  });
  const tools = { log, metrics, maxDelayMs: MAX_DELAY_MS };
  const ofCheckpoint = (uid: string) => podsByCheckpoint(uid).map(keyOf);
  const ofPods = controller("restore-pods", { ...tools, workers: 4 })
    .for(pods)
    .watches(checkpoints, ({ old, new: now }) => ofCheckpoint((now ?? old)?.metadata.uid ?? ""));
  const controllers = [
    controller("restore-claims", { ...tools, workers: 2 })
      .for(checkpoints, { initial: (all) => all.filter(({ status }) => status.restore) })
      .watches(pods, ({ old, new: now }) => (now ? [] : checkpointsByUid(old?.from ?? "").map(keyOf)))
      .reconcile((key) => claimReconciler.reconcile(key)),
    unansweredController(options),
  ];
  if (!plan || !nodeRestores)
    return [ofPods.reconcile((key) => podReconciler.reconcile(key)), ...controllers];

  const requestsByPod = nodeRestores.index((request) => [podKeyOf(request)]);
  const reconciler = new NodeRestoreReconciler({
    client,
    method: plan,
    covers: (namespace) => namespaces === "all" || namespaces.includes(namespace),
    pod: (key) => pods.get(key),
    checkpoint: checkpointOf,
    requests: requestsByPod,
    log,
  });
  const requests = controller("node-restores", { ...tools, workers: 4 })
    .for(pods, { initial: (all) => all.filter((pod) => pod.plan !== undefined) })
    .watches(checkpoints, ({ new: now }) => ofCheckpoint(now?.metadata.uid ?? ""))
    .owns(nodeRestores, podKeyOf);
  return [
    ofPods.owns(nodeRestores, podKeyOf).reconcile((key) => podReconciler.reconcile(key)),
    ...controllers,
    requests.reconcile((key) => reconciler.reconcile(key), {
      start: () => nodeRestores.list().forEach((one) => requests.queue.add(podKeyOf(one))),
    }),
  ];
}

/** Returns the controller of pods for which the webhook did not decide. */
function unansweredController({ settings, cache, client, log, metrics }: RestoreOptions): Controller {
  const { namespaces } = settings;
  const unanswered = cache.objects(UNANSWERED_POD, { namespaces, ...UNANSWERED, skipDenied: true });
  const reconciler = new UnansweredReconciler({
    client,
    namespaces,
    isDenied: (namespace) => unanswered.deniedIn(namespace) !== undefined,
    pod: (key) => unanswered.get(key),
  });
  // Started pods of a namespace that was denied are found once it is permitted: `initial` enqueues the key again.
  return controller("restore-unanswered", { log, metrics, maxDelayMs: MAX_DELAY_MS })
    .for(unanswered, {
      initial: (all) => all.filter(({ requests }) => requests),
      when: ({ new: now }) => now?.requests === true,
    })
    .starts(STARTED)
    .reconcile((key, signal) => reconciler.reconcile(key, signal));
}
