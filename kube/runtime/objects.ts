import { textAt, type Json } from "./json";

/** What every object in a store has. A store's own type adds the fields in use. */
export interface KubernetesObject {
  readonly metadata: ObjectMetadata;
}

export interface ObjectMetadata {
  readonly name: string;
  /** Missing for objects of the cluster. */
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** `namespace/name`, or `name` for objects of the cluster. */
export function keyOf({
  metadata,
}: {
  readonly metadata: Pick<ObjectMetadata, "name" | "namespace">;
}): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

/**
 * The metadata that a projection must keep.
 * @throws Error if the JSON has no name, uid or resourceVersion, and so is no stored object
 */
export function metadataOf(raw: Json): ObjectMetadata {
  const [name, uid, resourceVersion] = ["name", "uid", "resourceVersion"].map((field) =>
    textAt(raw, "metadata", field),
  );
  if (name === undefined || uid === undefined || resourceVersion === undefined)
    throw new Error(`no object: metadata needs name, uid, resourceVersion, given ${brief(raw)}`);
  const namespace = textAt(raw, "metadata", "namespace");
  return { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion };
}

/** Path of all objects of a kind, of those of a namespace, or of one. */
export function pathOf(
  { apiVersion, plural }: { readonly apiVersion: string; readonly plural: string },
  namespace?: string,
  name?: string,
): string {
  const within = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  const root = apiVersion.includes("/") ? "/apis" : "/api";
  return `${root}/${apiVersion}${within}/${plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

/**
 * Whether one resourceVersion is before another. They are decimal numbers that only grow (Kubernetes API concepts,
 * "Resource versions"); what is none is never before another.
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
