/** Reconciles CheckpointPolicies and ClusterCheckpointPolicies. */
import type { CheckpointSettings, PolicySettings } from "../../config/programs/controller";
import { enabledActions } from "../../config/install";
import { controller, type Change, type Controller } from "../../kube";
import { CLUSTER_NAMESPACE } from "../../api";
import { CHECKPOINT } from "../checkpoints/objects";
import { podKeyOf } from "../checkpoints/reservations";
import type { Runtime } from "../runtime";
import { ACTIONS } from "./actions";
import { PolicyDriver } from "./driver";
import { FILTERS } from "./filters";
import { followUpController } from "./follow-ups";
import { elsewheres, elsewhereStatus, type PlatformPolicies } from "./platform";
import { WATCH } from "./memory/objects";
import { MetricsReader } from "./memory/metrics-reader";
import { Readings } from "./memory/readings";
import { WatchController } from "./memory/watch-controller";
import { Notifications, type Send } from "./notify";
import {
  CLUSTER_POLICY,
  JOB,
  NAMESPACE,
  POLICY,
  POLICY_POD,
  toFact,
  WORKLOADS,
  type PolicyObject,
} from "./objects";
import { measurePolicies, Report } from "./report";
import { SUSPENDED_SELECTOR, SUSPENDED_WORKLOADS } from "./workloads";
import { failedIn, statusOf } from "./status";
import { TRIGGERS } from "./triggers";
import type { Verification } from "../verify";

/** Statuses that are written concurrently. */
const WORKERS = 4;
/** Longest delay after failures. */
const MAX_DELAY_MS = 60_000;
/** Shortest time between two writes of a policy's status: one with many pods changes all the time. */
const STATUS_MS = 15_000;
/** Time between two checks whether there are readings of memory, and responses of the platform. */
const ABSENCE_MS = 30_000;
/** The same of a policy that works on Checkpoints: its status needs a decision about each of them. */
const RETENTION_STATUS_MS = 30_000;

export interface PolicyOptions extends Runtime {
  readonly settings: PolicySettings;
  /** Namespaces whose Checkpoints are reconciled, and slots of a node. */
  readonly checkpoints: Pick<CheckpointSettings, "namespaces" | "maxPerNode">;
  /** Verifies Checkpoints. Default: the action `verify` is not enabled. */
  readonly verification?: Verification | undefined;
  /** Sends a notification. Default: by HTTPS. */
  readonly send?: Send;
  /** Platform in which policies are mirrored. Default: by HTTP, as the settings say. */
  readonly platform?: PlatformPolicies;
  /** Default: those of this directory. */
  readonly tables?: {
    readonly triggers?: typeof TRIGGERS;
    readonly filters?: typeof FILTERS;
    readonly actions?: typeof ACTIONS;
  };
}

/** Returns the actions that the install enables: the controller has the permissions of no others. */
function enabledOf(
  settings: PolicySettings,
  notifications: Notifications,
  verification: Verification | undefined,
): typeof ACTIONS {
  const enabled = new Set<string>(enabledActions(settings));
  const all = {
    ...ACTIONS,
    notify: notifications.action,
    ...(verification && { verify: verification.action }),
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => enabled.has(name)));
}

/** Returns whether an action is executed for suspended workloads. */
function resumes(actions: typeof ACTIONS): boolean {
  return Object.values(actions).some((action) => action.of === "suspendedWorkload");
}

/**
 * Returns the controllers of policies: one executes actions when pods are due, and writes the status of policies; one executes the
 * follow-ups of Checkpoints; and one for each destination sends notifications.
 */
export function policyControllers(options: PolicyOptions): readonly Controller[] {
  const { settings, cache, client, events, log, metrics, verification, tables = {} } = options;
  const { namespaces, maxPerNode } = options.checkpoints;
  const scope = { namespaces, skipDenied: true };
  const checkpoints = cache.objects(CHECKPOINT, scope);
  const allNamespaces = cache.objects(NAMESPACE, { skipDenied: true });
  const checkpointsOf = checkpoints.index((object) => [podKeyOf(object)]);
  const notifications = new Notifications({
    settings: settings.notify,
    client,
    log,
    metrics,
    checkpointsOf: (pod) => checkpointsOf(pod).map(toFact),
    clusterId: () => allNamespaces.get(CLUSTER_NAMESPACE)?.metadata.uid,
    isCurrent: (policy) => driver.isCurrent(policy),
    ended: (policy, pod, failure) => {
      if (failure) driver.fail(policy, pod, failure.reason, failure.message);
      else driver.ended(policy.uid);
    },
    send: options.send,
  });
  const actions = tables.actions ?? enabledOf(settings, notifications, verification);
  const { triggers = TRIGGERS, filters = FILTERS } = tables;
  const policies = cache.objects(POLICY, scope);
  const clusterPolicies = cache.objects(CLUSTER_POLICY, { skipDenied: true });
  const caches = {
    policies: [policies, clusterPolicies],
    pods: cache.objects(POLICY_POD, scope),
    suspended: resumes(actions)
      ? SUSPENDED_WORKLOADS.map((kind) =>
          cache.objects(kind, { ...scope, labelSelector: SUSPENDED_SELECTOR }),
        )
      : [],
    namespaces: allNamespaces,
    checkpoints,
    workloads: WORKLOADS.map((kind) => cache.objects(kind, scope)),
    memoryWatches: cache.objects(WATCH, { namespaces: [settings.memory.namespace] }),
    jobs: cache.objects(JOB, scope),
  };
  const builder = controller("policies", { log, metrics, workers: WORKERS, maxDelayMs: MAX_DELAY_MS });
  const writtenMs = new Map<string, number>();
  const enqueue = (key: string) =>
    builder.queue.addAfter(key, (writtenMs.get(key) ?? 0) + STATUS_MS - Date.now());
  const platform = elsewheres({
    ...options,
    settings: settings.platform || undefined,
    policies,
    changed: (key) => {
      const object = policies.get(key);
      if (object) driver.executorChanged(object);
      enqueue(key);
    },
  });
  const driver: PolicyDriver = new PolicyDriver({
    triggers,
    filters,
    actions,
    maxPerNode,
    maxInFlight: settings.maxInFlight,
    caches,
    client,
    events,
    log,
    report: new Report({ events, metrics, log, triggers: Object.keys(triggers) }),
    watchNamespace: settings.memory.namespace,
    watchesChanged: (nodeName) => watches.changed(nodeName),
    isElsewhere: (object) => platform.isElsewhere(object),
    changed: enqueue,
  });
  const watches = new WatchController({
    namespace: settings.memory.namespace,
    objects: caches.memoryWatches,
    client,
    log,
    metrics,
    watchesOn: (nodeName) => driver.watchesOn(nodeName),
  });
  const readings = new Readings(caches.memoryWatches, () => {
    for (const key of driver.watchingPolicies) builder.queue.add(key);
  });
  const reader = new MetricsReader({
    objects: caches.memoryWatches,
    pods: caches.pods,
    client,
    log,
    failed: (problem) => readings.failed(problem),
  });
  measurePolicies(
    metrics,
    () => driver.totals,
    () => driver.keptTotals(),
    () => failedIn([...policies.list(), ...clusterPolicies.list()]),
  );

  if (verification) verification.ended = (policyUID, failure) => driver.ended(policyUID, failure);

  const objectOf = (key: string) => policies.get(key) ?? clusterPolicies.get(key);
  // The driver enqueues the other changes, which are frequent.
  const when = ({ old, new: now }: Change<PolicyObject>) =>
    old?.metadata.generation !== now?.metadata.generation;
  const reconciling = builder
    .for(policies, { when })
    .for(clusterPolicies, { when })
    .needs(
      caches.memoryWatches,
      caches.pods,
      caches.namespaces,
      caches.checkpoints,
      ...caches.workloads,
      ...caches.suspended,
      ...platform.sources,
    )
    .reconcile(
      async (key, signal) => {
        const before = objectOf(key);
        const subject = before && driver.view(before.metadata.uid)?.subject;
        if (!before || (subject === undefined && !platform.isElsewhere(before)))
          return void writtenMs.delete(key);
        const spacingMs = subject === "policy" ? RETENTION_STATUS_MS : STATUS_MS;
        const waitMs = (writtenMs.get(key) ?? 0) + spacingMs - Date.now();
        if (waitMs > 0 && before.status.observedGeneration === before.metadata.generation)
          return { requeueAfterMs: waitMs };
        const ofAction = await driver.actionStatus(before.metadata.uid, Date.now());
        // A decision takes time. If the policy was changed meanwhile, its key was enqueued.
        const object = objectOf(key);
        const { uid, generation } = before.metadata;
        const view = driver.view(uid);
        if (object?.metadata.uid !== uid || object.metadata.generation !== generation) return undefined;
        const isElsewhere = platform.isElsewhere(object);
        if (!view && !isElsewhere) return undefined;
        const nowMs = Date.now();
        // If an agent or the platform does not respond, no object changes.
        const again = view?.isWatching || isElsewhere ? { requeueAfterMs: ABSENCE_MS } : undefined;
        const more = {
          readings: readings.problem(nowMs),
          ofAction,
          lastVerified: verification?.lastOf(uid),
          undelivered: notifications.undelivered(uid),
        };
        const status =
          isElsewhere || !view
            ? elsewhereStatus(object, platform.elsewhere(object, nowMs), nowMs)
            : statusOf(object, view, more, nowMs);
        if (status === undefined) return again;
        const kind = object.metadata.namespace === undefined ? CLUSTER_POLICY : POLICY;
        await client.applyStatus(kind, object.metadata, status, { signal });
        writtenMs.set(key, nowMs);
        return again;
      },
      {
        start: async () => {
          await driver.start();
          readings.start();
          platform.start();
        },
        background: async (signal) => {
          await Promise.all([
            driver.run(signal),
            watches.controller.lead(signal),
            platform.run(signal),
            settings.memory.readings === "metrics-server" ? reader.run(signal) : undefined,
          ]);
        },
        drain: () => driver.drain(),
      },
    );
  const followUps = followUpController({
    ...caches,
    actions,
    client,
    events,
    log,
    metrics,
    failed: (policy, pod, reason, message) => driver.fail(policy, pod, reason, message),
  });
  return [reconciling, followUps, ...notifications.controllers];
}
