import { setTimeout as sleep } from "node:timers/promises";
import { itemsAt, keyOf, textAt, type Client, type Json } from "../../kube/client";
import { CommandError, EXIT } from "../errors";
import { CRD, kindIn, storageOf, type CrdSpec, type DesiredCrd, type LiveCrd } from "./definition";
import { lostFields } from "./lost-fields";
import { clearProgress, migrateStorage, type MigrationOptions } from "./migrate";
import { pagesOf } from "./pages";
import { isNoop, planOf, transitionalVersions, type CrdPlan } from "./plan";

/** State of one CustomResourceDefinition in a cluster, as `--output json` prints it. */
export interface CrdReport extends CrdPlan {
  /** Missing if the cluster does not have it. */
  readonly servedVersions?: readonly string[];
  readonly storedVersions?: readonly string[];
  /** Version in which the toolkit stores objects. */
  readonly storageVersion: string;
  readonly objects: number;
  /** Number of objects rewritten, including earlier, interrupted runs. */
  readonly migrated?: number;
}

export interface UpgradeOptions extends MigrationOptions {
  /** Called before each step of an upgrade. */
  readonly onStep?: (text: string) => void;
  /** Interval between two requests for what the API server serves. Default: 1,000. */
  readonly intervalMs?: number;
}

/** Number of fields that a problem names. */
const NAMED_FIELDS = 5;
const PAGE_SIZE = 200;

/**
 * Compares a CustomResourceDefinition with the cluster, and reads all its objects.
 * @throws ApiError and Error if a request fails
 */
export async function inspect(client: Client, desired: DesiredCrd): Promise<CrdReport> {
  const live = await client.get(CRD, { name: desired.metadata.name });
  return reportOf(client, desired, live);
}

async function reportOf(client: Client, desired: DesiredCrd, live: LiveCrd | undefined): Promise<CrdReport> {
  const plan = planOf(desired, live);
  const storageVersion = storageOf(desired.spec);
  if (!live) return { ...plan, storageVersion, objects: 0 };
  const { objects, lost } = await scan(client, desired, live, plan.definition === "update");
  return {
    ...plan,
    problems: [...plan.problems, ...lost],
    servedVersions: live.spec.versions.filter(({ served }) => served).map(({ name }) => name),
    storedVersions: live.status?.storedVersions ?? [],
    storageVersion,
    objects,
  };
}

/** Counts the objects, and finds those with fields that the new schema lacks. */
async function scan(client: Client, desired: DesiredCrd, live: LiveCrd, compare: boolean) {
  const storage = desired.spec.versions.find((version) => version.storage);
  const served = live.spec.versions.find((version) => version.served);
  let objects = 0;
  const lost: string[] = [];
  if (served === undefined) return { objects, lost };
  for await (const page of pagesOf(client, kindIn(live.spec, served.name), { pageSize: PAGE_SIZE })) {
    objects += page.objects.length;
    if (!compare) continue;
    for (const { metadata, raw } of page.objects) {
      const fields = lostFields(storage?.schema?.openAPIV3Schema, raw as object);
      if (fields.length === 0) continue;
      const named = fields.slice(0, NAMED_FIELDS).join(", ");
      lost.push(`${keyOf({ metadata })} has ${named}, which the new schema lacks`);
    }
  }
  return { objects, lost: shortened(lost) };
}

function shortened(problems: readonly string[]): readonly string[] {
  const more = problems.length - NAMED_FIELDS;
  return more > 0 ? [...problems.slice(0, NAMED_FIELDS), `and ${more} more objects`] : problems;
}

/**
 * Upgrades a CustomResourceDefinition: replaces versions and names, rewrites all objects into the storage version, and then
 * removes the other versions from `status.storedVersions`. Can be interrupted at any time, and run again.
 * @returns the state after it
 * @throws CommandError (exit code 2) if the upgrade is rejected, or another client changes the CustomResourceDefinition
 */
export async function upgrade(
  client: Client,
  desired: DesiredCrd,
  options: UpgradeOptions = {},
): Promise<CrdReport> {
  const { name } = desired.metadata;
  const step = (text: string) => options.onStep?.(`${name}: ${text}`);
  const before = await client.get(CRD, { name });
  const report = await reportOf(client, desired, before);
  if (report.problems.length > 0)
    throw new CommandError(`${name}: ${report.problems.join("\n  ")}\nNothing was written.`, EXIT.badInput);
  if (isNoop(report)) return report;
  if (!before) {
    step("create");
    await client.create(CRD, { ...desired });
    await settle(client, desired.spec, undefined, options);
    return inspect(client, desired);
  }
  const served = await servedHash(client, before.spec);
  let live = before;
  if (report.definition === "update") {
    step("update versions and names");
    live = await setVersions(client, live, desired, transitionalVersions(desired, live));
  }
  let migrated: number | undefined;
  if (report.migrateTo !== undefined) {
    const moved = storageOf(before.spec) !== report.migrateTo;
    await settle(client, desired.spec, moved ? served : undefined, options);
    step(`rewrite objects into ${report.migrateTo}`);
    migrated = await migrateStorage(client, live, report.migrateTo, options);
    step(`remove other versions from status.storedVersions`);
    live = await trim(client, live, report.migrateTo);
  }
  if (report.droppedVersions.length > 0) {
    step(`stop serving ${report.droppedVersions.join(", ")}`);
    await setVersions(client, live, desired, desired.spec.versions);
  }
  return { ...(await inspect(client, desired)), ...(migrated !== undefined && { migrated }) };
}

/** Replaces versions and names, if the CustomResourceDefinition still is the one observed. */
function setVersions(
  client: Client,
  { metadata, spec }: LiveCrd,
  desired: DesiredCrd,
  versions: CrdSpec["versions"],
): Promise<LiveCrd> {
  return client.jsonPatch(CRD, { name: metadata.name, uid: metadata.uid }, [
    { op: "test", path: "/metadata/resourceVersion", value: metadata.resourceVersion },
    { op: "replace", path: "/spec/versions", value: versions },
    { op: "replace", path: "/spec/names", value: { ...spec.names, ...desired.spec.names } },
  ]);
}

/** Requests that must agree on the storage version, so that several API servers were asked. */
const AGREEING = 5;
const SETTLE_ATTEMPTS = 60;

/**
 * Waits until the API servers serve the storage version.
 * @param before hash of the storage version that was served before; undefined if it has not changed
 */
async function settle(
  client: Client,
  spec: CrdSpec,
  before: string | undefined,
  { intervalMs = 1000 }: UpgradeOptions,
): Promise<void> {
  let agreeing = 0;
  for (let attempt = 0; attempt < SETTLE_ATTEMPTS; attempt++) {
    const hash = await servedHash(client, spec);
    agreeing = hash !== undefined && hash !== before ? agreeing + 1 : 0;
    if (agreeing === AGREEING) return;
    await sleep(intervalMs);
  }
  throw new CommandError(
    `${spec.names.plural}.${spec.group}: the API server does not serve version ${storageOf(spec)}. Run the command again: it resumes.`,
  );
}

/** Returns the hash by which the API server identifies the storage version of a kind; undefined if it does not serve the kind. */
async function servedHash({ transport }: Client, spec: CrdSpec): Promise<string | undefined> {
  const path = `/apis/${spec.group}/${storageOf(spec)}`;
  const list = (await transport.send("GET", path).catch(() => undefined)) as Json | undefined;
  const resource = itemsAt(list, "resources").find((item) => textAt(item, "name") === spec.names.plural);
  return textAt(resource, "storageVersionHash");
}

/** Removes versions from `status.storedVersions`, if no other client changed the definition since the migration began. */
async function trim(client: Client, migrated: LiveCrd, version: string): Promise<LiveCrd> {
  await clearProgress(client, migrated);
  const { name, uid, generation } = migrated.metadata;
  const live = await client.get(CRD, { name });
  if (live?.metadata.uid !== uid || live.metadata.generation !== generation)
    throw new CommandError(
      `${name}: another client changed it during the migration. Run the command again.`,
      EXIT.badInput,
    );
  return client.jsonPatch(
    CRD,
    { name, uid },
    [
      { op: "test", path: "/metadata/resourceVersion", value: live.metadata.resourceVersion },
      { op: "replace", path: "/status/storedVersions", value: [version] },
    ],
    { subresource: "status" },
  );
}
