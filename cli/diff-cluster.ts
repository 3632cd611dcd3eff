import { ApiError, Discovery, isNotFound, type Client } from "../kube/client";
import { formatIdentity, identityOf, type KubernetesObject } from "../manifests";
import { toYaml } from "../render/yaml";
import { connect, type ClusterOptions } from "./cluster";
import type { DiffResult } from "./diff";
import { CommandError, EXIT } from "./exit";
import { kubernetesObjects } from "./kubernetes";
import { loadPlatform } from "./platform-file";
import { unifiedDiff } from "./text-diff";

/** Compares the objects of the platform file with a cluster, by dry runs of a server-side apply. */
export async function diffWithCluster(file: string, options: ClusterOptions): Promise<DiffResult> {
  const { objects } = kubernetesObjects(loadPlatform(file).platform);
  const client = await connect(options);
  const discovery = new Discovery(client.transport);
  const made = namesOfNew(objects);
  const parts: string[] = [];
  const refused: string[] = [];
  for (const object of objects) {
    const name = formatIdentity(identityOf(object));
    const result = await compare(client, discovery, object, made).catch((error: unknown) =>
      asProblem(error, name),
    );
    if (typeof result === "string") refused.push(result);
    else parts.push(unifiedDiff(name, result.before, result.after));
  }
  if (refused.length > 0)
    throw new CommandError(`the API server refuses:\n${refused.join("\n")}`, EXIT.badInput);
  const text = parts.filter((part) => part.includes("\n@@ ")).join("");
  return { text, exitCode: text === "" ? EXIT.ok : EXIT.differs };
}

/** Namespaces and kinds that the objects themselves bring: what stands on them cannot be tried before they exist. */
interface Made {
  readonly namespaces: ReadonlySet<string>;
  readonly kinds: ReadonlySet<string>;
}

function namesOfNew(objects: readonly KubernetesObject[]): Made {
  const crds = objects.filter(({ kind }) => kind === "CustomResourceDefinition");
  const kinds = crds.map(({ spec }) => {
    const { group, names } = spec as { group: string; names: { kind: string } };
    return `${group}/${names.kind}`;
  });
  const namespaces = objects.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name);
  return { namespaces: new Set(namespaces), kinds: new Set(kinds) };
}

async function compare(client: Client, discovery: Discovery, object: KubernetesObject, made: Made) {
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
    const waits =
      (namespace !== undefined && made.namespaces.has(namespace)) || made.kinds.has(`${group}/${kind}`);
    if (isNotFound(error) && waits) return { before, after: text(object) };
    throw error;
  }
}

function asProblem(error: unknown, name: string): string {
  if (error instanceof ApiError) return `  ${name}  ${error.message}`;
  throw new CommandError(`the API server cannot be reached: ${(error as Error).message}`);
}

/** The object without what the API server alone writes. */
function text(object: unknown): string {
  const { status: _status, ...rest } = object as Record<string, unknown>;
  const metadata = Object.entries(rest["metadata"] as Record<string, unknown>)
    .filter(([field]) => !SERVER_FIELDS.has(field))
    .map(([field, value]) => [field, field === "annotations" ? withoutGeneration(value) : value]);
  return toYaml(sorted({ ...rest, metadata: Object.fromEntries(metadata) }));
}

const SERVER_FIELDS = new Set(["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"]);

function withoutGeneration(annotations: unknown): unknown {
  const { "deprecated.daemonset.template.generation": _, ...own } = annotations as Record<string, unknown>;
  return Object.keys(own).length > 0 ? own : undefined;
}

/** The API server sorts keys, we write them in the usual order: neither is a difference. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

/** What the YAML parser adds below are lines of the kubeconfig, and so perhaps of a key. */
