import { parallel } from "../../kube";
import {
  isRejected,
  keyOf,
  retryOnConflict,
  textAt,
  type Client,
  type Kind,
  type ObjectMetadata,
} from "../../kube/client";
import { CommandError, EXIT } from "../errors";
import { CRD, kindIn, type LiveCrd } from "./definition";
import { pagesOf } from "./pages";

/** Annotation of a CustomResourceDefinition with the progress of a migration. */
export const PROGRESS = "automation.cedana.ai/storage-migration";

interface Progress {
  /** Generation of the CustomResourceDefinition. The progress of another one is void: its storage version may differ. */
  readonly generation: number;
  readonly version: string;
  /** Token of the first page that is not rewritten. */
  readonly next: string;
  /** Number of objects rewritten before it. */
  readonly rewritten: number;
}

export interface MigrationOptions {
  /** Objects of a page. An interrupted migration resumes at a page. Default: 200. */
  readonly pageSize?: number;
  /** Called after each page with the number of objects rewritten so far. */
  readonly onPage?: (rewritten: number) => void;
}

/** Writes in progress at a time. */
const PARALLEL = 8;

/**
 * Rewrites all objects, so that the API server stores them in its storage version. After each page it records the progress in an
 * annotation of the CustomResourceDefinition, from which a later call resumes.
 * @returns the number of objects rewritten, including those of the calls that this one resumes
 * @throws CommandError if the API server rejects an object
 */
export async function migrateStorage(
  client: Client,
  live: LiveCrd,
  version: string,
  { pageSize = 200, onPage }: MigrationOptions = {},
): Promise<number> {
  const { generation } = live.metadata;
  const kind = kindIn(live.spec, version);
  const before = progressOf(live, version);
  let rewritten = before?.rewritten ?? 0;
  for await (const { objects, next } of pagesOf(client, kind, { pageSize, from: before?.next })) {
    await parallel(objects, PARALLEL, ({ metadata }) => rewrite(client, kind, metadata));
    rewritten += objects.length;
    if (next !== undefined) await record(client, live, { generation, version, next, rewritten });
    onPage?.(rewritten);
  }
  return rewritten;
}

/** Writes an object without a change: the API server stores it in its storage version. */
async function rewrite(client: Client, kind: Kind, object: ObjectMetadata): Promise<void> {
  const { name, namespace, uid } = object;
  const key = namespace === undefined ? { name } : { name, namespace };
  // Another object of the name was created since, and so is stored in the storage version.
  const isSame = async () => textAt(await client.get(kind, key), "metadata", "uid") === uid;
  try {
    await retryOnConflict(() => client.jsonPatch(kind, { ...key, uid }, []), isSame);
  } catch (error) {
    if (!isRejected(error)) throw error;
    throw new CommandError(
      `${kind.kind} ${keyOf({ metadata: object })} cannot be rewritten: ${error.message}\nMake it valid or delete it, then run the command again: it resumes.`,
      EXIT.badInput,
    );
  }
}

function progressOf({ metadata }: LiveCrd, version: string): Progress | undefined {
  const text = metadata.annotations?.[PROGRESS];
  if (text === undefined) return undefined;
  try {
    const progress = JSON.parse(text) as Progress;
    return progress.generation === metadata.generation && progress.version === version ? progress : undefined;
  } catch {
    // Another client changed the annotation: from the start.
    return undefined;
  }
}

async function record(client: Client, { metadata }: LiveCrd, progress: Progress): Promise<void> {
  const { name } = metadata;
  const applied = { name, annotations: { [PROGRESS]: JSON.stringify(progress) } };
  await client.apply(CRD, { metadata: applied });
}

/** Removes the record of the progress. */
export async function clearProgress(client: Client, { metadata }: LiveCrd): Promise<void> {
  const live = await client.get(CRD, { name: metadata.name });
  if (live?.metadata.annotations?.[PROGRESS] === undefined) return;
  await client.apply(CRD, { metadata: { name: metadata.name } });
}
