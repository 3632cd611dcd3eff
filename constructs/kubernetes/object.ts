import { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { commonLabels, type ResolvedInstall } from "../../config/install";

/** An object of kind T with Kubernetes' field names. */
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

/** Creates an object, type-checked as its kind: `object<V1Service>(scope, "service", {...})`. */
export function object<T extends object>(scope: Construct, id: string, manifest: Manifest<T>): ApiObject {
  return new ApiObject(scope, id, manifest);
}

interface About {
  readonly name: string;
  /** Missing for cluster-scoped objects. */
  readonly namespace?: string;
  readonly component?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
}

/** Returns the metadata of an object, with the labels and annotations that every object of the install has. */
export function metadata(install: ResolvedInstall, about: About): Metadata {
  const annotations = { ...install.annotations, ...about.annotations };
  return {
    name: about.name,
    ...(about.namespace === undefined ? {} : { namespace: about.namespace }),
    labels: { ...commonLabels(install, about.component), ...about.labels },
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}
