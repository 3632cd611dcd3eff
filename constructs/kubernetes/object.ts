import { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { commonLabels, type ResolvedInstall } from "../../config/install";

/** An object of kind T in Kubernetes' own field names. */
export type Manifest<T extends object = object> = T & {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
};

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
}

/** The object, checked against the type of its kind: `object<V1Service>(scope, "service", {...})`. */
export function object<T extends object>(scope: Construct, id: string, manifest: Manifest<T>): ApiObject {
  return new ApiObject(scope, id, manifest);
}

interface About {
  readonly name: string;
  /** Left out for objects that belong to the cluster. */
  readonly namespace?: string;
  readonly component?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
}

/** Metadata as every object of the install has it. */
export function metadata(install: ResolvedInstall, about: About): Metadata {
  const annotations = { ...install.annotations, ...about.annotations };
  return {
    name: about.name,
    ...(about.namespace === undefined ? {} : { namespace: about.namespace }),
    labels: { ...commonLabels(install, about.component), ...about.labels },
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}
