import type {
  V1Container,
  V1DaemonSet,
  V1PodDisruptionBudget,
  V1PodSpec,
  V1SecurityContext,
} from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import {
  agentNamespace,
  imageReference,
  namesOf,
  selectorLabels,
  type ResolvedInstall,
} from "../../config/install";
import { metadata, object, type Manifest, type Metadata } from "./object";

/** Security context without privileges and with a read-only root file system. Satisfies Pod Security `restricted`. */
export const UNPRIVILEGED = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  seccompProfile: { type: "RuntimeDefault" },
} satisfies V1SecurityContext;

interface ImageSpec {
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
  readonly pullPolicy: string;
}

/** Returns image and pull policy of a container. */
export function image(spec: ImageSpec): Pick<V1Container, "image" | "imagePullPolicy"> {
  return { image: imageReference(spec), imagePullPolicy: spec.pullPolicy };
}

interface Placement {
  readonly affinity?: V1PodSpec["affinity"] | undefined;
  readonly nodeSelector: Record<string, string>;
  readonly priorityClassName: string;
  readonly tolerations: V1PodSpec["tolerations"];
}

/** Returns the scheduling constraints of pods and their image pull secrets. Omits empty settings. */
export function placementOf(install: ResolvedInstall, placement: Placement): Partial<V1PodSpec> {
  const { affinity, nodeSelector, priorityClassName, tolerations = [] } = placement;
  return {
    ...(affinity === undefined ? {} : { affinity }),
    ...(install.imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: install.imagePullSecrets.map((name) => ({ name })) }),
    ...(Object.keys(nodeSelector).length === 0 ? {} : { nodeSelector }),
    priorityClassName,
    ...(tolerations.length === 0 ? {} : { tolerations }),
  };
}

type OwnPlacement = Pick<
  ResolvedInstall["healthCheck"],
  "affinity" | "podAnnotations" | "podLabels" | "priorityClassName"
>;

/**
 * Returns a DaemonSet of the agent. Helper and health check have the same nodes, tolerations and rollout, and no automatic
 * token of the API server.
 * @param hash annotation with the hash of the configuration that the pods read
 */
export function daemonSet(
  install: ResolvedInstall,
  component: "helper" | "health-check",
  own: OwnPlacement,
  hash: Readonly<Record<string, string>>,
  spec: Pick<V1PodSpec, keyof V1PodSpec>,
): Manifest<V1DaemonSet> {
  const names = namesOf(install);
  const name = component === "helper" ? names.helper : names.healthCheck;
  const { tolerations, updateStrategy } = install.helper;
  const { type, maxSurge, maxUnavailable } = updateStrategy;
  const selector = selectorLabels(install, component);
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: metadata(install, { name, namespace: agentNamespace(install), component }),
    spec: {
      selector: { matchLabels: selector },
      updateStrategy: type === "OnDelete" ? { type } : { type, rollingUpdate: { maxSurge, maxUnavailable } },
      template: {
        metadata: {
          labels: { ...install.labels, ...own.podLabels, ...selector },
          annotations: { ...own.podAnnotations, ...hash },
        },
        spec: {
          serviceAccountName: names.agentAccount,
          automountServiceAccountToken: false,
          ...placementOf(install, { ...own, nodeSelector: install.nodeSelector, tolerations }),
          ...spec,
        },
      },
    },
  };
}

/**
 * Creates a PodDisruptionBudget. It never blocks the eviction of pods that are not Ready: they serve no request, and a drain of
 * their nodes would wait until an administrator fixes them.
 * @param maxUnavailable number or percentage of the Ready pods that may be evicted at a time
 */
export function disruptionBudget(
  scope: Construct,
  about: Metadata,
  { maxUnavailable, matchLabels }: { maxUnavailable: number | string; matchLabels: Record<string, string> },
): ApiObject {
  return object<V1PodDisruptionBudget>(scope, "disruption-budget", {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: about,
    spec: { maxUnavailable, selector: { matchLabels }, unhealthyPodEvictionPolicy: "AlwaysAllow" },
  });
}
