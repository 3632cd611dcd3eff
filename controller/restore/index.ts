/** Restore of pods from checkpoint images: admission webhook, claims, fallback. */
import { RESTORED_FROM, WEBHOOK_PATH } from "../../api";
import type { RestoreSettings } from "../../config/programs/controller";
import {
  WebhookServer,
  certificateControllers,
  controller,
  keyOf,
  type Controller,
  type HealthCheck,
} from "../../kube";
import { CHECKPOINT } from "../checkpoints/objects";
import type { Runtime } from "../runtime";
import { Admitter } from "./admitter";
import type { Claims } from "./claims";
import { ClaimReconciler, PodReconciler, hasRun } from "./outcome";
import { RESTORED_POD } from "./pods";
import { Report } from "./report";

export { Claims } from "./claims";

export interface RestoreOptions extends Runtime {
  readonly settings: RestoreSettings;
  /** Namespace of the controller and of the Secret with the certificate. */
  readonly namespace: string;
  /** Writes on every replica. */
  readonly claims: Claims;
}

/** Longest delay after failures. */
const MAX_DELAY_MS = 60_000;

/** The controllers and the webhook of one process. */
export interface Restore {
  /** Reconcile restored pods and claims, and rotate the certificate. They run on the leader. */
  readonly controllers: readonly Controller[];
  /** Sets checkpoint images in pods at admission. Runs on every replica. */
  readonly webhook: WebhookServer;
  /** Check of this replica for `/readyz`. */
  readonly check: HealthCheck;
}

/** Creates the controllers and the webhook that restore pods. */
export function createRestore(options: RestoreOptions): Restore {
  const { settings, namespace, claims, cache, events, metrics, client, log } = options;
  const report = new Report(events, metrics);
  const admitter = new Admitter({ settings, client, claims, report, log });
  const webhook = new WebhookServer({
    port: settings.port,
    log,
    handlers: { [WEBHOOK_PATH]: (request) => admitter.admit(request) },
  });
  const certificates = certificateControllers({
    name: "restore-certificate",
    settings: { ...settings, namespace, authorityName: "cedana-restore-ca" },
    rotate: settings.certificates === "own",
    server: webhook,
    cache,
    client,
    log,
    metrics,
    maxDelayMs: MAX_DELAY_MS,
  });
  const controllers = [...outcomeControllers(options, report), ...certificates];
  return { controllers, webhook, check: webhook.check };
}

function outcomeControllers(options: RestoreOptions, report: Report): readonly Controller[] {
  const { settings, cache, client, log, metrics } = options;
  const { namespaces } = settings;
  const checkpoints = cache.objects(CHECKPOINT, { namespaces });
  const pods = cache.objects(RESTORED_POD, { namespaces, labelSelector: RESTORED_FROM });
  const checkpointsByUid = checkpoints.index(({ metadata }) => [metadata.uid]);
  const podsByUid = pods.index(({ metadata }) => [metadata.uid]);
  const podsByCheckpoint = pods.index(({ from }) => (from === undefined ? [] : [from]));
  const podReconciler = new PodReconciler({
    client,
    report,
    pod: (key) => pods.get(key),
    checkpoint: (uid) => checkpointsByUid(uid)[0],
  });
  const claimReconciler = new ClaimReconciler({
    client,
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
  return [
    controller("restore-pods", { ...tools, workers: 4 })
      .for(pods)
      .watches(checkpoints, ({ new: now }) => podsByCheckpoint(now?.metadata.uid ?? "").map(keyOf))
      .reconcile((key) => podReconciler.reconcile(key)),
    controller("restore-claims", { ...tools, workers: 2 })
      .for(checkpoints, { initial: (all) => all.filter(({ status }) => status.restore) })
      .watches(pods, ({ old, new: now }) => (now ? [] : checkpointsByUid(old?.from ?? "").map(keyOf)))
      .reconcile((key) => claimReconciler.reconcile(key)),
  ];
}
