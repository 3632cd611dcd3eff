/** A CustomResourceDefinition, in the fields that an upgrade reads and writes. */
import { isDeepStrictEqual } from "node:util";
import { rawKind, type Json, type Kind, type ObjectMetadata } from "../../kube/client";

export interface CrdVersion {
  readonly name: string;
  readonly served: boolean;
  readonly storage: boolean;
  readonly schema?: { readonly openAPIV3Schema?: CrdSchema };
  readonly [field: string]: unknown;
}

/** The fields of a structural schema that decide which fields of an object the API server stores. */
export interface CrdSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, CrdSchema>>;
  readonly additionalProperties?: CrdSchema | boolean;
  readonly items?: CrdSchema;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-embedded-resource"?: boolean;
}

export interface CrdSpec {
  readonly group: string;
  readonly names: { readonly kind: string; readonly plural: string; readonly [field: string]: unknown };
  readonly scope: string;
  readonly versions: readonly CrdVersion[];
}

/** A CustomResourceDefinition as this version of the toolkit installs it. */
export interface DesiredCrd {
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly spec: CrdSpec;
}

/** A CustomResourceDefinition of a cluster. */
export interface LiveCrd {
  readonly metadata: ObjectMetadata & {
    readonly generation: number;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: CrdSpec;
  readonly status?: {
    readonly storedVersions?: readonly string[];
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

export const CRD: Kind<LiveCrd> = {
  ...rawKind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
  project: (raw: Json) => raw as unknown as LiveCrd,
};

/** Returns the version in which the API server stores objects. */
export function storageOf({ versions }: Pick<CrdSpec, "versions">): string {
  return versions.find(({ storage }) => storage)?.name ?? "";
}

/** Returns the kind of the objects in a version. */
export function kindIn({ group, names }: CrdSpec, version: string): Kind {
  return rawKind(`${group}/${version}`, names.kind, names.plural);
}

/** Checks whether the cluster has the versions and names of the toolkit. The API server adds further fields to names. */
export function isCurrent(desired: DesiredCrd, { spec }: LiveCrd): boolean {
  const names = Object.entries(desired.spec.names);
  return (
    isDeepStrictEqual(byName(desired.spec.versions), byName(spec.versions)) &&
    names.every(([field, value]) => isDeepStrictEqual(spec.names[field], value))
  );
}

function byName(versions: readonly CrdVersion[]): readonly CrdVersion[] {
  return versions.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Compares versions by Kubernetes' priority: v2, v1, v1beta2, v1beta1, v1alpha1, and then other names.
 * @returns a positive number if the first one is newer
 */
export function compareVersions(a: string, b: string): number {
  const [first, second] = [priority(a), priority(b)];
  const at = first.findIndex((value, index) => value !== second[index]);
  return at < 0 ? 0 : (first[at] ?? 0) - (second[at] ?? 0);
}

function priority(version: string): readonly number[] {
  const found = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (!found) return [-1, 0, 0];
  const [, major, stage, minor = "0"] = found;
  return [stage === undefined ? 2 : stage === "beta" ? 1 : 0, Number(major), Number(minor)];
}
