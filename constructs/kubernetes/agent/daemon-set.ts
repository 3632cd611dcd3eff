import type { V1DaemonSet, V1PodSpec, V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import { agentNamespace, namesOf, selectorLabels, type Component } from "../../core/install";
import { configChecksum } from "../environment";
import type { ResolvedInput } from "../input";
import { metadata, type Manifest } from "../object";
import { placementOf } from "../pod";

type OwnPlacement = Pick<
  ResolvedInput["install"]["healthCheck"],
  "affinity" | "podAnnotations" | "podLabels" | "priorityClassName"
>;

/** What helper and health check have in common: nodes, tolerations, rollout, and no token of the API server. */
export function daemonSet(
  input: ResolvedInput,
  component: Component,
  name: string,
  own: OwnPlacement,
  spec: Pick<V1PodSpec, keyof V1PodSpec>,
): Manifest<V1DaemonSet> {
  const { install } = input;
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
          annotations: { ...own.podAnnotations, ...configChecksum(input, "node-agent") },
        },
        spec: {
          serviceAccountName: namesOf(install).agentAccount,
          automountServiceAccountToken: false,
          ...placementOf(install, { ...own, nodeSelector: install.nodeSelector, tolerations }),
          ...spec,
        },
      },
    },
  };
}

/** The directory of the daemon's socket, at the same place in the pod as on the node. */
export function socketMount(
  directory: string | undefined,
  readOnly?: true,
): { readonly volumes: V1Volume[]; readonly volumeMounts: V1VolumeMount[] } {
  if (directory === undefined) return { volumes: [], volumeMounts: [] };
  return {
    volumes: [{ name: "socket", hostPath: { path: directory, type: "DirectoryOrCreate" } }],
    volumeMounts: [{ name: "socket", mountPath: directory, ...(readOnly ? { readOnly } : {}) }],
  };
}
