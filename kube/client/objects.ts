import type { Json } from "../../http";
import { at, numberAt, textAt } from "./json";

/** Name and namespace of an object. */
export interface ObjectKey {
  readonly name: string;
  /** Missing for cluster-scoped objects. */
  readonly namespace?: string;
}

/** Metadata that every projection keeps. */
export interface ObjectMetadata extends ObjectKey {
  readonly uid: string;
  readonly resourceVersion: string;
}

/** An object in a cache. A kind's own type adds the fields in use. */
export interface KubernetesObject {
  readonly metadata: ObjectMetadata;
}

/** A kind of the API. */
export interface ApiKind {
  /** `v1`, `apps/v1` */
  readonly apiVersion: string;
  readonly kind: string;
  /** The resource in paths: `pods`. */
  readonly plural: string;
}

/** A kind of the API and how its objects are read. */
export interface Kind<T = Json> extends ApiKind {
  /** Keeps only the fields in use. @throws Error if the JSON is not an object of the kind */
  readonly project: (raw: Json) => T;
}

/** Returns the kind with a projection of its objects. */
export function kindOf<T>({ apiVersion, kind, plural }: ApiKind, project: (raw: Json) => T): Kind<T> {
  return { apiVersion, kind, plural, project };
}

/** Returns a kind whose objects are read as raw JSON. */
export function rawKind(apiVersion: string, kind: string, plural: string): Kind {
  return { apiVersion, kind, plural, project: (raw) => raw };
}

/** Metadata of a namespaced custom resource. */
export interface CustomResourceMetadata extends ObjectMetadata {
  readonly namespace: string;
  readonly generation: number;
  /** RFC 3339, in whole seconds. */
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
}

/** A namespaced custom resource. The API server has validated spec and status against the kind's schema. */
export interface CustomResource<Spec, Status> extends KubernetesObject {
  readonly metadata: CustomResourceMetadata;
  readonly spec: Spec;
  readonly status: Status;
}

/** Projects a custom resource to its metadata in use, spec and status. */
export function projectCustomResource<Spec, Status>(raw: Json): CustomResource<Spec, Status> {
  const deletionTimestamp = textAt(raw, "metadata", "deletionTimestamp");
  return {
    metadata: {
      ...metadataOf(raw),
      namespace: textAt(raw, "metadata", "namespace") ?? "",
      generation: numberAt(raw, "metadata", "generation") ?? 0,
      creationTimestamp: textAt(raw, "metadata", "creationTimestamp") ?? "",
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    spec: (at(raw, "spec") ?? {}) as unknown as Spec,
    status: (at(raw, "status") ?? {}) as unknown as Status,
  };
}

/** Returns `namespace/name`, or `name` for cluster-scoped objects. */
export function keyOf({ metadata: { namespace, name } }: { readonly metadata: ObjectKey }): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/**
 * Projects the metadata that every projection keeps.
 * @throws Error if the JSON has no name, uid or resourceVersion, and so is not a stored object
 */
export function metadataOf(raw: Json): ObjectMetadata {
  const [name, uid, resourceVersion] = ["name", "uid", "resourceVersion"].map((field) =>
    textAt(raw, "metadata", field),
  );
  if (name === undefined || uid === undefined || resourceVersion === undefined)
    throw new Error(`not a stored object: name, uid or resourceVersion is missing: ${brief(raw)}`);
  const namespace = textAt(raw, "metadata", "namespace");
  return { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion };
}

/** Returns the path of all objects of a kind, of those of a namespace, or of one. */
export function pathOf(
  { apiVersion, plural }: Pick<ApiKind, "apiVersion" | "plural">,
  namespace?: string,
  name?: string,
): string {
  const within = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  const root = apiVersion.includes("/") ? "/apis" : "/api";
  return `${root}/${apiVersion}${within}/${plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

/**
 * Checks whether one resourceVersion is before another. They are decimal numbers that only grow (Kubernetes API concepts,
 * "Resource versions"); any other text is never before another.
 */
export function isOlder(a: string, b: string): boolean {
  if (!DECIMAL.test(a) || !DECIMAL.test(b)) return false;
  return a.length === b.length ? a < b : a.length < b.length;
}

/** Without leading zeros, so that the longer one is the greater one. */
const DECIMAL = /^(0|[1-9]\d*)$/;

function brief(raw: Json): string {
  return (JSON.stringify(raw) ?? "nothing").slice(0, 200);
}
