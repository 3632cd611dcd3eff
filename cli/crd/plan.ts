import {
  compareVersions,
  isCurrent,
  storageOf,
  type CrdSpec,
  type DesiredCrd,
  type LiveCrd,
} from "./definition";

/** What an upgrade of one CustomResourceDefinition does, in this order. */
export interface CrdPlan {
  readonly name: string;
  /** The CustomResourceDefinition is created (`create`), or its versions and names are replaced (`update`). */
  readonly definition?: "create" | "update";
  /** Version into which objects are rewritten. Missing if all are stored in it. */
  readonly migrateTo?: string;
  /** Versions that objects may be stored in, and that are removed from `status.storedVersions` after the migration. */
  readonly staleVersions: readonly string[];
  /** Served versions that are removed after the migration. */
  readonly droppedVersions: readonly string[];
  /** Why the upgrade is rejected. */
  readonly problems: readonly string[];
}

/**
 * Plans the upgrade of one CustomResourceDefinition.
 * @param live undefined if the cluster has none of that name
 */
export function planOf(desired: DesiredCrd, live: LiveCrd | undefined): CrdPlan {
  const { name } = desired.metadata;
  const storage = storageOf(desired.spec);
  if (!live) return { name, definition: "create", staleVersions: [], droppedVersions: [], problems: [] };
  const dropped = live.spec.versions.filter((version) => !hasVersion(desired.spec, version.name));
  const stored = live.status?.storedVersions ?? [];
  const storesOther = stored.some((version) => version !== storage) || storageOf(live.spec) !== storage;
  return {
    name,
    ...(!isCurrent(desired, live) && { definition: "update" }),
    ...(storesOther && { migrateTo: storage }),
    staleVersions: stored.filter((version) => version !== storage),
    droppedVersions: dropped.map((version) => version.name),
    problems: problemsOf(desired, live),
  };
}

function hasVersion({ versions }: CrdSpec, name: string): boolean {
  return versions.some((version) => version.name === name);
}

function problemsOf(desired: DesiredCrd, live: LiveCrd): readonly string[] {
  const storage = storageOf(desired.spec);
  const problems = live.spec.versions
    .filter(({ name }) => !hasVersion(desired.spec, name) && compareVersions(name, storage) > 0)
    .map(
      ({ name }) =>
        `the cluster has version ${name}, which is newer than ${storage} of this toolkit: a downgrade would drop it. Use the toolkit that installed it, or a newer one`,
    );
  if (desired.spec.scope !== live.spec.scope)
    problems.push(
      `the cluster has scope ${live.spec.scope}, this toolkit ${desired.spec.scope}: the scope of a CustomResourceDefinition cannot change`,
    );
  return problems;
}

/** Returns the versions during the migration: those of the toolkit, and those of the cluster that it drops afterwards. */
export function transitionalVersions(desired: DesiredCrd, live: LiveCrd): CrdSpec["versions"] {
  const dropped = live.spec.versions.filter(({ name }) => !hasVersion(desired.spec, name));
  return [...desired.spec.versions, ...dropped.map((version) => ({ ...version, storage: false }))];
}

/** Checks whether the plan changes anything. */
export function isNoop({ definition, migrateTo, staleVersions, droppedVersions }: CrdPlan): boolean {
  return (
    definition === undefined &&
    migrateTo === undefined &&
    staleVersions.length === 0 &&
    droppedVersions.length === 0
  );
}
