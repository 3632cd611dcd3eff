import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import { CHECKPOINT_POLICY, CLUSTER_CHECKPOINT_POLICY, type Kind, type PolicySpec } from "../../api";
import { checkPolicy, checkpointsOf } from "../../config/install";
import { formatProblem, printable, type Problem } from "../../config/schema";
import type { NamespaceObject, PodObject, Policy, PolicyPod } from "../../controller/policies/preview";
import { NAMESPACE, POLICY_POD } from "../../controller/policies/preview";
import type { Client, Json } from "../../kube/client";
import { CommandError, EXIT } from "../errors";
import { loadPlatform } from "../platform-file";
import { listRetention, readRetention, type RetentionSource } from "./retention";

/** A policy of a file. */
export interface FilePolicy extends Policy {
  readonly kind: string;
}

export interface FilePolicies {
  readonly policies: readonly FilePolicy[];
  /** Namespaces in which the controller reconciles Checkpoints, if the file has them. */
  readonly namespaces: "all" | readonly string[];
}

/** Pods to evaluate, and the labels of their namespaces. */
export interface Cluster {
  readonly pods: readonly PolicyPod[];
  readonly labels: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Checkpoints and what protects them. Missing if they were not requested. */
  readonly retention?: RetentionSource;
}

interface Manifest {
  readonly apiVersion?: unknown;
  readonly kind?: unknown;
  readonly metadata?: { readonly name?: unknown; readonly namespace?: unknown } | null;
  readonly spec?: unknown;
  readonly items?: unknown;
}

const KINDS = [CHECKPOINT_POLICY, CLUSTER_CHECKPOINT_POLICY];

/**
 * Reads the policies of a platform file, or of a manifest.
 * @throws CommandError (exit code 2) with all problems
 */
export function readPolicies(file: string): FilePolicies {
  const text = manifestIn(file);
  if (text === undefined) return ofPlatform(file);
  const problems: string[] = [];
  const policies = objectsIn(text, file).flatMap((manifest) => {
    const kind = KINDS.find((one) => one.kind === manifest.kind);
    if (!kind) return [];
    const metadata = { namespace: "default", ...manifest.metadata };
    const checked = checkPolicy(kind, { metadata, spec: manifest.spec });
    const found = [...versionProblems(kind, manifest.apiVersion), ...(checked.problems ?? [])];
    if (!checked.problems && found.length === 0) return [policyOf(kind.kind, metadata, checked.spec)];
    const title = `${kind.kind} ${typeof metadata.name === "string" ? metadata.name : "without a name"}`;
    problems.push(...found.map((one) => `${file}: ${title}: ${formatProblem(one)}`));
    return [];
  });
  if (problems.length > 0) throw new CommandError(problems.join("\n"), EXIT.badInput);
  return { policies: required(policies, file), namespaces: "all" };
}

function ofPlatform(file: string): FilePolicies {
  const { install } = loadPlatform(file).platform;
  const checkpoints = install ? checkpointsOf(install) : false;
  const lists = install?.policies || undefined;
  const policies = [
    ...(lists?.checkpointPolicies ?? []).map(({ name, namespace, ...spec }) =>
      policyOf(CHECKPOINT_POLICY.kind, { name, namespace }, spec),
    ),
    ...(lists?.clusterCheckpointPolicies ?? []).map(({ name, ...spec }) =>
      policyOf(CLUSTER_CHECKPOINT_POLICY.kind, { name }, spec),
    ),
  ];
  return { policies: required(policies, file), namespaces: checkpoints ? checkpoints.namespaces : "all" };
}

function required(policies: readonly FilePolicy[], file: string): readonly FilePolicy[] {
  if (policies.length > 0) return policies;
  throw new CommandError(
    `${file}: has no policy; expected install.policies, or objects of the kinds ${KINDS.map(({ kind }) => kind).join(" and ")}`,
    EXIT.badInput,
  );
}

function policyOf(
  kind: string,
  { name, namespace }: { readonly name?: unknown; readonly namespace?: unknown },
  spec: PolicySpec,
): FilePolicy {
  const scope = kind === CHECKPOINT_POLICY.kind ? { namespace: String(namespace) } : {};
  return { kind, uid: "", name: String(name), ...scope, generation: 1, sinceMs: 0, spec };
}

function versionProblems({ apiVersion }: Kind, given: unknown): readonly Problem[] {
  if (given === apiVersion) return [];
  return [
    {
      code: "invalid-version",
      path: ["apiVersion"],
      message: "is not the version of the kind",
      given: printable(given),
      allowed: apiVersion,
    },
  ];
}

/** Returns the text of a file with Kubernetes objects; undefined if it has none. A platform file has a version instead of a kind. */
function manifestIn(file: string): string | undefined {
  try {
    // Read once: it may be a pipe.
    const text = readFileSync(file, "utf8");
    return /^(kind|"kind"|\s+"kind"):|^\s*\{/m.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(`${file}: cannot be read (${code ?? "unknown error"})`, EXIT.badInput);
  }
}

/** Returns the objects of a YAML or JSON text. Lists are replaced by their items. */
function objectsIn(text: string, file: string): readonly Manifest[] {
  const documents = parseAllDocuments(text);
  return (Array.isArray(documents) ? documents : []).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new CommandError(`${file}: is invalid YAML: ${error.message}`, EXIT.badInput);
    return flattened(document.toJS() as unknown);
  });
}

function flattened(value: unknown): readonly Manifest[] {
  if (typeof value !== "object" || value === null) return [];
  const { items } = value as Manifest;
  return Array.isArray(items) ? items.flatMap(flattened) : [value];
}

/**
 * Reads pods, namespaces and Checkpoints of a file.
 * @param withCheckpoints whether a policy works on Checkpoints
 * @throws CommandError (exit code 2) if it cannot be read, or has nothing to evaluate
 */
export function readPods(file: string, withCheckpoints: boolean): Cluster {
  const objects = objectsIn(textOf(file), file);
  const ofKind = (kind: string) => {
    const found = objects.filter((object) => object.kind === kind);
    const unnamed = found.find(({ metadata }) => typeof metadata?.name !== "string" || metadata.name === "");
    if (unnamed) throw new CommandError(`${file}: a ${kind} has no metadata.name`, EXIT.badInput);
    return found.map(completed);
  };
  const pods = ofKind("Pod").map((pod) => POLICY_POD.project(pod));
  const namespaces = ofKind("Namespace").map((one) => NAMESPACE.project(one));
  const retention = withCheckpoints ? readRetention(file, ofKind, pods) : undefined;
  if (pods.length === 0 && !retention?.checkpoints.length)
    throw new CommandError(
      withCheckpoints
        ? `${file}: has no pod and no Checkpoint; create it by kubectl get ${RETENTION_KINDS} -A -o yaml`
        : `${file}: has no pod; create it by kubectl get pods,namespaces -A -o yaml`,
      EXIT.badInput,
    );
  return clusterOf(pods, namespaces, retention);
}

/** Kinds that a decision about Checkpoints needs, as an argument of kubectl. */
const RETENTION_KINDS = "checkpoints,pods,namespaces,replicasets,statefulsets,daemonsets,jobs";

function clusterOf(
  pods: readonly PodObject[],
  namespaces: readonly NamespaceObject[],
  retention: RetentionSource | undefined,
): Cluster {
  return {
    pods: evaluated(pods),
    labels: new Map(namespaces.map(({ metadata, labels }) => [metadata.name, labels])),
    ...(retention && { retention }),
  };
}

/** Returns the pods that the controller evaluates: without those that are ending or verify a Checkpoint. */
function evaluated(pods: readonly PodObject[]): readonly PolicyPod[] {
  return pods.filter(({ isDeleted, isSandbox }) => !isDeleted && !isSandbox).map(({ pod }) => pod);
}

/** Returns the object with the metadata that each stored one has. */
function completed({ metadata, ...object }: Manifest): Json {
  const { name = "" } = metadata ?? {};
  return {
    ...object,
    metadata: { namespace: "default", uid: String(name), resourceVersion: "0", ...metadata },
  } as unknown as Json;
}

/**
 * Lists the namespaces, and the pods of one namespace or of all.
 * @param withCheckpoints whether a policy works on Checkpoints: they are listed too
 */
export async function listPods(
  client: Client,
  namespace: string | undefined,
  withCheckpoints = false,
): Promise<Cluster> {
  const [pods, namespaces] = await Promise.all([
    client.list(POLICY_POD, namespace === undefined ? {} : { namespace }),
    client.list(NAMESPACE),
  ]);
  const retention = withCheckpoints ? await listRetention(client, namespace, pods) : undefined;
  return clusterOf(pods, namespaces, retention);
}
