import type { V1DaemonSet, V1PodSpec, V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import { agentNamespace, namesOf, selectorLabels, type ResolvedInstall } from "../../../config/install";
import { metadata, type Manifest } from "../object";
import { placementOf } from "../pod";

type OwnPlacement = Pick<
  ResolvedInstall["healthCheck"],
  "affinity" | "podAnnotations" | "podLabels" | "priorityClassName"
>;

/**
 * What helper and health check have in common: nodes, tolerations, rollout, no token of the API server by itself.
 *
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
