import { ARCHITECTURE_LABEL } from "../../../api/restore";
import { itemsAt, textAt, type Json } from "../../../kube";
import type { AdmittedPod } from "./pod";

/**
 * Labels that a node must have for the restore, besides those that the pod asks for already.
 * @returns what is to be added to the pod's nodeSelector, or in words why the pod can run on no such node
 */
export function nodeLabels(
  pod: AdmittedPod,
  wanted: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> | string {
  const added: Record<string, string> = {};
  for (const [label, value] of Object.entries(wanted)) {
    const own = pod.nodeSelector[label];
    if (own !== undefined && own !== value)
      return `it needs a node with ${label}=${value}, and the pod's nodeSelector asks for ${label}=${own}`;
    if (pod.nodeTerms.length > 0 && pod.nodeTerms.every((term) => excludes(term, label, value)))
      return `it needs a node with ${label}=${value}, which the pod's node affinity excludes`;
    if (own === undefined) added[label] = value;
  }
  return added;
}

/** The architecture that all checkpoints agree on, as a label; none if no engine has said it. */
export function architectureLabel(
  containers: readonly { readonly name: string; readonly architecture?: string }[],
): Readonly<Record<string, string>> | string {
  const said = containers.filter(({ architecture }) => architecture !== undefined);
  const [first] = said;
  if (first?.architecture === undefined) return {};
  const other = said.find(({ architecture }) => architecture !== first.architecture);
  if (other !== undefined)
    return `its containers are of ${first.architecture} (${first.name}) and ${other.architecture} (${other.name})`;
  return { [ARCHITECTURE_LABEL]: first.architecture };
}

/** Whether no node with this label matches the term. */
function excludes(term: Json, label: string, value: string): boolean {
  return itemsAt(term, "matchExpressions").some((expression) => {
    if (textAt(expression, "key") !== label) return false;
    const has = itemsAt(expression, "values").includes(value);
    switch (textAt(expression, "operator")) {
      case "In":
        return !has;
      case "NotIn":
        return has;
      case "DoesNotExist":
        return true;
      default:
        return false;
    }
  });
}
