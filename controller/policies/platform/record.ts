import {
  at,
  kindOf,
  metadataOf,
  textAt,
  type CachedObjects,
  type Client,
  type Json,
  type KubernetesObject,
} from "../../../kube";

/**
 * A copy that this install has created, or may have created. It is not stored in the policy, because others can write a status, and can
 * delete a policy at any time.
 */
export interface Entry {
  readonly namespace: string;
  readonly name: string;
  /** The `heartbeat_time` that was written last. */
  readonly heartbeat: number;
  /** Id of the copy. Undefined until it is known. */
  readonly id?: string;
  /** The copy is being deleted. If the platform does not have it, that is not drift. Another copy is created afterwards. */
  readonly deleting?: true;
  /** A creation whose result is not known. */
  readonly creating?: {
    /** When it began, RFC 3339. */
    readonly at: string;
    /** Ids of all policies in the platform before the creation. */
    readonly known: readonly string[];
  };
}

/** Entries by the UID of the policy. */
export type Entries = ReadonlyMap<string, Entry>;

interface RecordObject extends KubernetesObject {
  /** Undefined: the text cannot be read. */
  readonly content?: { readonly cluster: string; readonly entries: Entries };
}

const KEY = "policies.json";

export const RECORD = kindOf(
  { apiVersion: "v1", kind: "ConfigMap", plural: "configmaps" },
  (raw: Json): RecordObject => {
    const content = parse(textAt(raw, "data", KEY));
    return { metadata: metadataOf(raw), ...(content && { content }) };
  },
);

export interface RecordOptions {
  readonly client: Client;
  readonly objects: CachedObjects<RecordObject>;
  readonly namespace: string;
  readonly name: string;
  /** Id of the cluster on the platform. Entries of another cluster are not of this install. */
  readonly clusterId: string;
}

/** Ids of the copies, in a ConfigMap in the namespace of the install. */
export class PlatformRecord {
  constructor(private readonly options: RecordOptions) {}

  /** @throws Error if the ConfigMap is malformed, or belongs to another cluster */
  get entries(): Entries {
    const { name, namespace, clusterId } = this.options;
    const { object } = this;
    if (!object) return new Map();
    const where = `ConfigMap ${namespace}/${name}`;
    if (!object.content) throw new Error(`${where} cannot be read: restore it from a backup, or delete it`);
    const { cluster, entries } = object.content;
    if (cluster !== clusterId)
      throw new Error(
        `${where} has the copies of cluster ${cluster}, and engine.clusterId is ${clusterId}: delete these copies in the platform, then the ConfigMap`,
      );
    return entries;
  }

  /** Returns whether the record has the policy. A malformed record has none; then the statuses of policies name their copies. */
  mayHave(uid: string): boolean {
    const { object } = this;
    return object?.content?.entries.has(uid) ?? false;
  }

  /** Writes an entry, or removes it. @throws ApiError 409 if another process wrote it meanwhile */
  async set(uid: string, entry: Entry | undefined, signal?: AbortSignal): Promise<void> {
    const { client, namespace, name, clusterId } = this.options;
    const next = new Map(this.entries);
    if (entry) next.set(uid, entry);
    else next.delete(uid);
    const data = { [KEY]: JSON.stringify({ cluster: clusterId, policies: Object.fromEntries(next) }) };
    const options = signal ? { signal } : {};
    const { object } = this;
    const metadata = { namespace, name, resourceVersion: object?.metadata.resourceVersion };
    if (object) await client.apply(RECORD, { metadata, data }, options);
    else await client.create(RECORD, { metadata, data }, options);
  }

  private get object(): RecordObject | undefined {
    const { objects, namespace, name } = this.options;
    return objects.get(`${namespace}/${name}`);
  }
}

function parse(text: string | undefined): RecordObject["content"] {
  try {
    const json = JSON.parse(text ?? "") as Json;
    const cluster = textAt(json, "cluster");
    const policies = at(json, "policies");
    if (cluster === undefined || typeof policies !== "object" || policies === null) return undefined;
    const entries = new Map<string, Entry>();
    for (const [uid, entry] of Object.entries(policies)) {
      if (!isEntry(entry)) return undefined;
      entries.set(uid, entry);
    }
    return { cluster, entries };
  } catch {
    return undefined;
  }
}

function isEntry(value: unknown): value is Entry {
  const { namespace, name, heartbeat, id, creating } = Object(value) as Record<string, unknown>;
  const { at: began, known } = Object(creating) as Record<string, unknown>;
  const isCreating = typeof began === "string" && !Number.isNaN(Date.parse(began)) && Array.isArray(known);
  return (
    typeof namespace === "string" &&
    typeof name === "string" &&
    typeof heartbeat === "number" &&
    (typeof id === "string" ? creating === undefined : id === undefined && isCreating)
  );
}
