import type { LabelSelector } from "../../../api";
import { selects } from "../core/selector";
import type { Filter } from "../core/types";

/** Pods in these namespaces. */
export const namespaces: Filter<readonly string[]> = {
  matches: (names, pod) => names.includes(pod.namespace),
};

/** Pods in namespaces with these labels. */
export const namespaceSelector: Filter<LabelSelector> = {
  matches: (selector, _, { namespaceLabels }) => selects(selector, namespaceLabels),
};
