import type { Problem } from "../config/schema";
import { printable } from "../config/schema";

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
