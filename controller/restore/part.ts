import type { KubernetesClient } from "../../kube/client";
import type { RestoreSettings } from "../../config/programs/controller";
import { CHECKPOINT, projectCheckpoint, type CheckpointObject } from "../checkpoints/objects";
import { Objects } from "../checkpoints/stores";
import { keyOf, Reflector, runWorkers, Store, WorkQueue } from "../../kube/runtime";
import type {
  Events,
  HealthCheck,
  Logger,
  Metrics,
  Part,
  PartReflector,
  Reconcile,
} from "../../kube/runtime";
import {
  CertificateKeeper,
  projectConfiguration,
  projectSecret,
  type CertificateSecret,
  type WebhookConfiguration,
} from "./certificate";
import type { Claims } from "./claims";
import { ClaimReconciler, hasRun, PodReconciler } from "./outcome";
import { POD, projectPod, type RestoredPod } from "./pods";
import { Report } from "./report";
import { RESTORED_FROM } from "../../api/restore";
import { Admitter, WebhookServer } from "./webhook";

export interface RestoreOptions {
  readonly settings: RestoreSettings;
  /** Namespace of the controller: of the Secret with the certificate. */
  readonly namespace: string;
  /** Writes only while this process leads. */
  readonly client: KubernetesClient;
  /** Writes on every replica. */
  readonly claims: Claims;
  readonly events: Events;
  readonly log: Logger;
  readonly metrics: Metrics;
}

const WORKERS = { "restore-pods": 4, "restore-claims": 2, "restore-certificate": 1 } as const;
type Queue = keyof typeof WORKERS;
/** Longest delay after failures. */
const MAX_DELAY_MS = 60_000;

const BY_UID = "uid";
const BY_CHECKPOINT = "checkpoint";

/**
 * Restores pods that ask for it: the webhook, on every replica, gives them the image of a checkpoint as they are created; the
 * leader follows them, puts those back that cannot be restored, and keeps the webhook's certificate.
 */
export class Restore implements Part {
  readonly name = "restore";
  readonly reflectors: readonly PartReflector[];
  readonly webhook: WebhookServer;
  private readonly checkpoints: Objects<CheckpointObject>;
  private readonly pods: Objects<RestoredPod>;
  private readonly secrets = new Store<CertificateSecret>();
  private readonly configurations = new Store<WebhookConfiguration>();
  private readonly queues: Readonly<Record<Queue, WorkQueue>>;
  private readonly podReconciler: PodReconciler;
  private readonly claimReconciler: ClaimReconciler;
  private readonly keeper?: CertificateKeeper;

  constructor(private readonly options: RestoreOptions) {
    const { settings, namespace, client, claims, events, log, metrics } = options;
    const base = { part: "restore", namespaces: settings.namespaces, client, log, metrics };
    this.checkpoints = new Objects<CheckpointObject>({
      ...base,
      kind: CHECKPOINT,
      project: projectCheckpoint,
      indexes: {
        [BY_UID]: ({ metadata }) => [metadata.uid],
      },
    });
    this.pods = new Objects<RestoredPod>({
      ...base,
      kind: POD,
      query: { labelSelector: RESTORED_FROM },
      project: projectPod,
      indexes: {
        [BY_UID]: ({ metadata }) => [metadata.uid],
        [BY_CHECKPOINT]: ({ from }) => (from === undefined ? [] : [from]),
      },
    });
    this.reflectors = [
      ...this.checkpoints.reflectors,
      ...this.pods.reflectors,
      ...this.certificateReflectors(),
    ];
    const queue = (name: Queue) => new WorkQueue({ name, metrics, maxDelayMs: MAX_DELAY_MS });
    this.queues = {
      "restore-pods": queue("restore-pods"),
      "restore-claims": queue("restore-claims"),
      "restore-certificate": queue("restore-certificate"),
    };

    const report = new Report(events, metrics);
    this.podReconciler = new PodReconciler({
      client,
      report,
      pod: (key) => this.pods.get(key),
      checkpoint: (uid) => this.checkpoints.byIndex(BY_UID, uid)[0],
    });
    this.claimReconciler = new ClaimReconciler({
      client,
      log,
      checkpoint: (key) => this.checkpoints.get(key),
      isThere: (uid) => this.pods.byIndex(BY_UID, uid).length > 0,
    });
    if (settings.certificates === "own") {
      const { secrets, configurations } = this;
      this.keeper = new CertificateKeeper({
        settings: { ...settings, namespace },
        client,
        secrets,
        configurations,
        log,
      });
    }
    const admitter = new Admitter({
      settings,
      client,
      claims,
      report,
      log,
    });
    this.webhook = new WebhookServer({ port: settings.port, log, admit: (review) => admitter.admit(review) });
    this.secrets.onChange(({ new: secret }) => {
      if (secret?.held.current) this.webhook.use(secret.held.current);
    });
  }

  /** Of this replica, for `/readyz`. */
  get check(): HealthCheck {
    return this.webhook.check;
  }

  async lead(signal: AbortSignal): Promise<void> {
    const pods = this.queues["restore-pods"];
    const claims = this.queues["restore-claims"];
    const certificate = this.queues["restore-certificate"];
    this.pods.onChange(({ key, old, new: now }) => {
      pods.add(key);
      if (now || !old) return;
      this.podReconciler.forget(old.metadata.uid);
      this.claimReconciler.gone(old.metadata.uid, hasRun(old));
      for (const one of this.checkpoints.byIndex(BY_UID, old.from ?? "")) claims.add(keyOf(one));
    });
    this.checkpoints.onChange(({ key, new: now }) => {
      claims.add(key);
      for (const pod of this.pods.byIndex(BY_CHECKPOINT, now?.metadata.uid ?? "")) pods.add(keyOf(pod));
    });
    for (const store of [this.secrets, this.configurations])
      store.onChange(() => certificate.add("certificate"));
    for (const pod of this.pods.list()) pods.add(keyOf(pod));
    for (const one of this.checkpoints.list()) if (one.status.restore) claims.add(keyOf(one));
    certificate.add("certificate");
    await Promise.all([
      this.work("restore-pods", signal, (key) => this.podReconciler.reconcile(key)),
      this.work("restore-claims", signal, (key) => this.claimReconciler.reconcile(key)),
      this.work("restore-certificate", signal, async () => this.keeper?.reconcile()),
    ]);
  }

  private work(name: Queue, signal: AbortSignal, reconcile: Reconcile): Promise<void> {
    const { log, metrics } = this.options;
    return runWorkers({
      name,
      queue: this.queues[name],
      workers: WORKERS[name],
      reconcile,
      signal,
      log,
      metrics,
    });
  }

  /** Of one object each: rights by name let no more be read. */
  private certificateReflectors(): PartReflector[] {
    const { settings, namespace, client, log, metrics } = this.options;
    const named = (name: string) => ({
      query: { fieldSelector: `metadata.name=${name}` },
      client,
      log,
      metrics,
    });
    const secret = new Reflector({
      ...named(settings.secret),
      name: "restore/secret",
      path: `/api/v1/namespaces/${namespace}/secrets`,
      project: projectSecret,
      store: this.secrets,
    });
    if (settings.certificates !== "own") return [secret];
    const configuration = new Reflector({
      ...named(settings.configuration),
      name: "restore/configuration",
      path: "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
      project: projectConfiguration,
      store: this.configurations,
    });
    return [secret, configuration];
  }
}
