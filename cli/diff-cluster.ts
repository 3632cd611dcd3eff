import { ApiError, Discovery, isNotFound, type Client } from "../kube/client";
import { formatIdentity, identityOf, type KubernetesObject } from "../manifests";
import { toYaml } from "../render/yaml";
import { clusterError, connect, type ClusterOptions } from "./cluster";
import { CommandError, EXIT } from "./errors";
import { kubernetesObjects } from "./kubernetes";
import { loadPlatform } from "./platform-file";
import { unifiedDiff } from "./text-diff";

/** Compares the objects of the platform file with a cluster, by dry runs of a server-side apply. */
export async function diffWithCluster(file: string, options: ClusterOptions): Promise<string> {
  const { objects } = kubernetesObjects(loadPlatform(file).platform);
  const client = await connect(options);
  const discovery = new Discovery(client.transport);
  const created = createdBy(objects);
  const parts: string[] = [];
  const rejected: string[] = [];
  for (const object of objects) {
    const name = formatIdentity(identityOf(object));
    const result = await compare(client, discovery, object, created).catch((error: unknown) =>
      asProblem(error, name),
    );
    if (typeof result === "string") rejected.push(result);
    else parts.push(unifiedDiff(name, result.before, result.after));
  }
  if (rejected.length > 0)
    throw new CommandError(`rejected by the API server:\n${rejected.join("\n")}`, EXIT.badInput);
  return parts.filter((part) => part.includes("\n@@ ")).join("");
}

/** Namespaces and kinds that the platform itself creates. A dry run of their objects fails until they exist. */
interface Created {
  readonly namespaces: ReadonlySet<string>;
  readonly kinds: ReadonlySet<string>;
}

function createdBy(objects: readonly KubernetesObject[]): Created {
  const crds = objects.filter(({ kind }) => kind === "CustomResourceDefinition");
  const kinds = crds.map(({ spec }) => {
    const { group, names } = spec as { group: string; names: { kind: string } };
    return `${group}/${names.kind}`;
  });
  const namespaces = objects.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name);
  return { namespaces: new Set(namespaces), kinds: new Set(kinds) };
}

async function compare(client: Client, discovery: Discovery, object: KubernetesObject, created: Created) {
  const found = await discovery.find(object);
  const live = found && (await client.get(found.kind, found.key));
  const before = live === undefined ? undefined : text(live);
  try {
    if (!found) throw new ApiError(404, `the API server has no kind ${object.apiVersion} ${object.kind}`);
    const desired = { ...object, metadata: { ...object.metadata, ...found.key } };
    const options = { dryRun: true, fieldValidation: "Strict" } as const;
    return { before, after: text(await client.apply(found.kind, desired, options)) };
  } catch (error) {
    const { group, kind, namespace } = identityOf(object);
    const isCreated =
      (namespace !== undefined && created.namespaces.has(namespace)) || created.kinds.has(`${group}/${kind}`);
    if (isNotFound(error) && isCreated) return { before, after: text(object) };
    throw error;
  }
}

function asProblem(error: unknown, name: string): string {
  if (error instanceof ApiError) return `  ${name}  ${error.message}`;
  return clusterError(error);
}

/** Returns the YAML of an object without the fields that only the API server writes. */
function text(object: unknown): string {
  const { status: _status, ...rest } = object as Record<string, unknown>;
  const metadata = Object.entries(rest["metadata"] as Record<string, unknown>)
    .filter(([field]) => !SERVER_FIELDS.has(field))
    .map(([field, value]) => [field, field === "annotations" ? withoutGeneration(value) : value]);
  return toYaml(sorted({ ...rest, metadata: Object.fromEntries(metadata) }));
}

const SERVER_FIELDS = new Set(["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"]);

function withoutGeneration(annotations: unknown): unknown {
  const { "deprecated.daemonset.template.generation": _, ...rest } = annotations as Record<string, unknown>;
  return Object.keys(rest).length > 0 ? rest : undefined;
}

/** Sorts keys: the API server and the toolkit write them in different orders. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
