/** Deletion of artifacts in the registry, of Checkpoints with `deletionPolicy: Delete`. */
import type { CheckpointSettings, RestoreSettings } from "../../config/programs/controller";
import { controller, keyOf, type Controller } from "../../kube";
import { ClusterIdentity } from "../cluster";
import { CHECKPOINT } from "../checkpoints/objects";
import type { Engine, Engines } from "../engines";
import type { Runtime } from "../runtime";
import { DeletionReconciler } from "./deletion";
import { Elsewhere } from "./elsewhere";
import { hasFinalizer, removeFinalizer } from "./finalizer";
import { registryWith, type Registry } from "./registry";
import { Report } from "./report";
import { sweepArtifacts, type SweepOptions } from "./sweep";
import { SweepReport } from "./sweep-report";
import { Uses } from "./uses";

export { registryWith, type Registry } from "./registry";

/** Artifacts that are deleted concurrently: requests to the registry are bounded by it. */
const WORKERS = 2;
/** Longest delay after failures. */
const MAX_DELAY_MS = 60_000;

export interface ArtifactOptions extends Runtime {
  readonly settings: Pick<CheckpointSettings, "namespaces">;
  readonly restore: RestoreSettings | false;
  readonly engines: Engines;
  /** Default: that of the settings. */
  readonly registry?: Registry;
}

/**
 * Returns the controllers of artifacts. In an install that deletes none, it releases the Checkpoints that an earlier
 * configuration of it holds.
 */
export function artifactControllers(options: ArtifactOptions): readonly Controller[] {
  const { settings, engines, cache, client, events, metrics, log } = options;
  const checkpoints = cache.objects(CHECKPOINT, { namespaces: settings.namespaces, skipDenied: true });
  const engine = [...engines.values()].find(({ artifacts }) => artifacts !== undefined);
  if (engine?.artifacts === undefined) {
    return [
      controller("artifacts", { log, metrics, maxDelayMs: MAX_DELAY_MS })
        .for(checkpoints, {
          initial: (all) => all.filter(hasFinalizer),
          when: ({ new: now }) => now !== undefined && hasFinalizer(now),
        })
        .reconcile(async (key) => {
          const object = checkpoints.get(key);
          if (object && hasFinalizer(object)) await removeFinalizer(client, object);
        }),
    ];
  }
  const { repositories, registry: access, waitSeconds, orphans, orphanHours, isPending } = engine.artifacts;
  const { registry = registryWith(access) } = options;
  const uses = new Uses(checkpoints, cache, restoreOf(options, engine));
  const waitMs = waitSeconds * 1000;
  const common = {
    client,
    repositories,
    registry,
    cluster: new ClusterIdentity(client),
    uses,
    log,
  };
  const reconciler = new DeletionReconciler({
    ...common,
    engine,
    elsewhere: new Elsewhere(client),
    waitMs,
    checkpoint: (key) => checkpoints.get(key),
    report: new Report({ events, metrics, log, checkpoints }),
  });
  checkpoints.onChange(({ old, new: now }) => {
    if (!now && old) reconciler.removed(old.metadata.uid);
  });
  const builder = controller("artifacts", { log, metrics, workers: WORKERS, maxDelayMs: MAX_DELAY_MS })
    .for(checkpoints)
    .needs(...(engine.sources ?? []), ...uses.sources);
  if (uses.nodeRestores)
    builder.watches(uses.nodeRestores, ({ old, new: now }) =>
      uses
        .checkpointsOf([(now ?? old)?.spec.checkpointUID ?? ""])
        .filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
        .map(keyOf),
    );
  const sweep: SweepOptions = {
    ...common,
    mode: orphans,
    namespaces: settings.namespaces,
    minAgeMs: orphanHours * 3_600_000,
    checkpoints,
    isPending,
    report: new SweepReport(events, log, metrics),
  };
  return [
    builder.reconcile((key, signal) => reconciler.reconcile(key, signal), {
      background: (signal) => sweepArtifacts(sweep, signal),
    }),
  ];
}

function restoreOf({ restore }: ArtifactOptions, { restoreMethod }: Engine) {
  return restore && restoreMethod ? { settings: restore, method: restoreMethod } : undefined;
}
