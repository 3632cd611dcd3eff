import { RESTORED_FROM, SANDBOX } from "../../api";
import { at, isObject, itemsAt, rawKind, textAt, type Json } from "../../kube";
import { selects } from "../policies/core/selector";

export const NETWORK_POLICY = rawKind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies");

/**
 * Returns why the NetworkPolicies of a namespace would not isolate a sandbox pod; undefined if they do. Kubernetes adds up what
 * policies permit, so one that denies is not enough: each other one that selects the pod must permit nothing either. Whether the
 * network of the cluster enforces policies is unknown here.
 * @param name of the NetworkPolicy of the install
 */
export function isolationGap(policies: readonly Json[], name: string, policyUID: string): string | undefined {
  // Admission sets the second one.
  const labels = { [SANDBOX.label]: policyUID, [RESTORED_FROM]: "any" };
  const nameOf = (one: Json) => textAt(one, "metadata", "name");
  const selecting = policies.filter((one) => selectsPod(one, labels));
  const own = selecting.find((one) => nameOf(one) === name);
  if (own === undefined)
    return `the namespace has no NetworkPolicy ${name} that selects sandbox pods: apply the manifests of the install again`;
  const types = itemsAt(own, "spec", "policyTypes");
  if (!types.includes("Ingress") || !types.includes("Egress"))
    return `NetworkPolicy ${name} does not limit both directions: apply the manifests of the install again`;
  const permitting = selecting.filter((one) =>
    ["ingress", "egress"].some((field) => itemsAt(one, "spec", field).length > 0),
  );
  if (permitting.length === 0) return undefined;
  const names = permitting
    .map((one) => nameOf(one) ?? "")
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join(", ");
  return `NetworkPolicies that select all pods permit traffic of sandbox pods: ${names}. Exclude pods with the label ${SANDBOX.label} from their podSelector (operator DoesNotExist)`;
}

/** Fails closed: a selector that this version cannot read selects the pod. */
function selectsPod(policy: Json, labels: Readonly<Record<string, string>>): boolean {
  const selector = at(policy, "spec", "podSelector");
  if (!isObject(selector)) return true;
  try {
    return selects(selector, labels);
  } catch {
    return true;
  }
}
