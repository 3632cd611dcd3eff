import { printable, type Problem } from "../config/schema";
import { createHash } from "node:crypto";

/** A Kubernetes object as plain data: what `ApiObject.toJson()` of cdk8s gives. */
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

/** What makes an object that very object in a cluster: the version of its API is not part of it. */
export interface Identity {
  /** Empty for the core group. */
  readonly group: string;
  readonly kind: string;
  /** Undefined for objects of the whole cluster. */
  readonly namespace: string | undefined;
  readonly name: string;
}

export function identityOf(object: KubernetesObject): Identity {
  const slash = object.apiVersion.indexOf("/");
  return {
    group: slash < 0 ? "" : object.apiVersion.slice(0, slash),
    kind: object.kind,
    namespace: object.metadata.namespace === "" ? undefined : object.metadata.namespace,
    name: object.metadata.name,
  };
}

/** `Deployment.apps cedana-system/manager` */
export function formatIdentity({ group, kind, namespace, name }: Identity): string {
  return `${kind}${group === "" ? "" : `.${group}`} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}

/** What keeps an object from having an identity; `source` names it in the message. */
export function checkObject(object: unknown, index: number, source: string): Problem[] {
  const { apiVersion, kind, metadata } = (object ?? {}) as Record<string, unknown>;
  const { name, namespace } = (metadata ?? {}) as Record<string, unknown>;
  const problem = (path: string[], given: unknown): Problem => ({
    code: "not-an-object",
    path: [index, ...path],
    message: `of ${source} is no text`,
    given: printable(given),
    allowed: "text that is not empty",
    ...(path.at(-1) === "name"
      ? { remedy: "give the object a name: generateName has no place in files" }
      : {}),
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

/** The same object with apiVersion, kind and metadata (name and namespace first) before all else. */
export function ordered(object: KubernetesObject): KubernetesObject {
  const { apiVersion, kind, metadata, ...rest } = object;
  const { name, namespace, ...others } = metadata;
  const head = namespace === undefined ? { name } : { name, namespace };
  return { apiVersion, kind, metadata: { ...head, ...others }, ...rest };
}

/** Folder of objects that belong to no namespace. No namespace can be called so: `_` is not allowed in one. */
export const CLUSTER_FOLDER = "_cluster";

/** File systems allow 255 bytes; some room is left for those who copy and rename. */
const MAX_NAME = 200;

/**
 * Groups of Kubernetes itself in which no kind occurs twice, so that the kind alone tells the object. A kind of any
 * other group is written with its group.
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
 * `cedana-system/deployment-manager.yaml`, `_cluster/nodepool.karpenter.sh-gpu.yaml`. Two objects never share a path,
 * not even where file names do not distinguish case; the path depends on nothing but the object's identity.
 */
export function pathOf(identity: Identity): string {
  const { group, kind, namespace, name } = identity;
  const folder = namespace === undefined ? CLUSTER_FOLDER : fileName(namespace);
  const type = SHORT_GROUPS.has(group) ? kind.toLowerCase() : `${kind.toLowerCase()}.${group}`;
  const base = `${escaped(type).replaceAll("-", "_2d")}-${escaped(name)}`;
  return `${folder}/${shortened(base, formatIdentity(identity))}.yaml`;
}

/** Any text as the name of a file: the same text, if it is lower-case letters, digits, `-` and `.`. */
export function fileName(text: string): string {
  return shortened(escaped(text), text);
}

/** Every other byte becomes `_` and its two hex digits: RBAC names may hold nearly anything. */
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

/** `_z` stands for no byte, so a shortened name is never equal to a whole one. */
function shortened(base: string, identity: string): string {
  if (base.length <= MAX_NAME) return base;
  const digest = createHash("sha256").update(identity).digest("hex").slice(0, 32);
  return `${base.slice(0, MAX_NAME - 34)}_z${digest}`;
}
