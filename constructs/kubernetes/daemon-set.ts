import type { V1DaemonSet, V1PodSpec } from "@kubernetes/client-node";
import { agentNamespace, namesOf, selectorLabels, type ResolvedInstall } from "../../config/install";
import { metadata, type Manifest } from "./object";
import { placementOf } from "./pod";

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
