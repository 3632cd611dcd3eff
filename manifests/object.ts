import { printable, type Problem } from "../config/schema";
import { createHash } from "node:crypto";

/** A Kubernetes object as plain data, as cdk8s' `ApiObject.toJson()` returns it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** Identifies an object in a cluster, independent of the version of its API. */
export interface Identity {
  /** Empty for the core group. */
  readonly group: string;
  readonly kind: string;
  /** Undefined for cluster-scoped objects. */
  readonly namespace: string | undefined;
  readonly name: string;
}

/** Returns the identity of an object. */
export function identityOf(object: KubernetesObject): Identity {
  const slash = object.apiVersion.indexOf("/");
  return {
    group: slash < 0 ? "" : object.apiVersion.slice(0, slash),
    kind: object.kind,
    namespace: object.metadata.namespace === "" ? undefined : object.metadata.namespace,
    name: object.metadata.name,
  };
}

/** Formats an identity: `Deployment.apps cedana-system/manager`. */
export function formatIdentity({ group, kind, namespace, name }: Identity): string {
  return `${kind}${group === "" ? "" : `.${group}`} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}

/** Returns the problems of an object without an identity. @param source names the object in messages */
export function checkObject(object: unknown, index: number, source: string): Problem[] {
  const { apiVersion, kind, metadata } = (object ?? {}) as Record<string, unknown>;
  const { name, namespace } = (metadata ?? {}) as Record<string, unknown>;
  const problem = (path: string[], given: unknown): Problem => ({
    code: "invalid-object",
    path: [index, ...path],
    message: `of ${source} is not a non-empty string`,
    given: printable(given),
    allowed: "a non-empty string",
    ...(path.at(-1) === "name" ? { remedy: "set metadata.name: files do not support generateName" } : {}),
  });
  const texts: [string[], unknown][] = [
    [["apiVersion"], apiVersion],
    [["kind"], kind],
    [["metadata", "name"], name],
  ];
  return [
    ...texts
      .filter(([, value]) => typeof value !== "string" || value === "")
      .map(([path, value]) => problem(path, value)),
    ...(namespace === undefined || typeof namespace === "string"
      ? []
      : [problem(["metadata", "namespace"], namespace)]),
  ];
}

/** Returns the object with apiVersion, kind and metadata first, and in metadata name and namespace first. */
export function ordered(object: KubernetesObject): KubernetesObject {
  const { apiVersion, kind, metadata, ...rest } = object;
  const { name, namespace, ...others } = metadata;
  const head = namespace === undefined ? { name } : { name, namespace };
  return { apiVersion, kind, metadata: { ...head, ...others }, ...rest };
}

/** Directory of cluster-scoped objects. The name of a namespace cannot contain `_`. */
export const CLUSTER_DIRECTORY = "_cluster";

/** File systems allow 255 bytes. The rest is left for suffixes of copies. */
const MAX_NAME = 200;

/**
 * Groups of Kubernetes itself that have no kind in common, so that the kind alone is unambiguous. For other groups, the path
 * contains the group.
 */
const SHORT_GROUPS: ReadonlySet<string> = new Set([
  "",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "apps",
  "autoscaling",
  "batch",
  "coordination.k8s.io",
  "networking.k8s.io",
  "node.k8s.io",
  "policy",
  "rbac.authorization.k8s.io",
  "scheduling.k8s.io",
  "storage.k8s.io",
]);

/**
 * Returns the path of an object: `cedana-system/deployment-manager.yaml`, `_cluster/nodepool.karpenter.sh-gpu.yaml`. It depends
 * only on the object's identity. The paths of two objects differ, also on file systems that ignore case.
 */
export function pathOf(identity: Identity): string {
  const { group, kind, namespace, name } = identity;
  const directory = namespace === undefined ? CLUSTER_DIRECTORY : fileName(namespace);
  const type = SHORT_GROUPS.has(group) ? kind.toLowerCase() : `${kind.toLowerCase()}.${group}`;
  const base = `${escaped(type).replaceAll("-", "_2d")}-${escaped(name)}`;
  return `${directory}/${shortened(base, formatIdentity(identity))}.yaml`;
}

/** Returns a file name for any text. Lower-case letters, digits, `-` and `.` are kept. */
export function fileName(text: string): string {
  return shortened(escaped(text), text);
}

/** Escapes all other bytes as `_` and two hex digits, because RBAC names can contain almost any character. */
function escaped(text: string): string {
  if (/^[a-z0-9][a-z0-9.-]*$/.test(text)) return text;
  let out = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const char = String.fromCharCode(byte);
    const keep = (out === "" ? /[a-z0-9]/ : /[a-z0-9.-]/).test(char);
    out += keep ? char : `_${byte.toString(16).padStart(2, "0")}`;
  }
  return out;
}

/** Shortens a name and appends `_z` and a digest. `_z` is not an escape, so a shortened name never equals a complete one. */
function shortened(base: string, identity: string): string {
  if (base.length <= MAX_NAME) return base;
  const digest = createHash("sha256").update(identity).digest("hex").slice(0, 32);
  return `${base.slice(0, MAX_NAME - 34)}_z${digest}`;
}
