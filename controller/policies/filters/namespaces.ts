import type { LabelSelector } from "../../../api";
import { selects } from "../core/selector";
import type { Filter, FilterContext } from "../core/types";

interface Namespaced {
  readonly namespace: string;
}

const isNamed = (names: readonly string[], pod: Namespaced) => names.includes(pod.namespace);
const isSelected = (selector: LabelSelector, _: Namespaced, { namespaceLabels }: FilterContext) =>
  selects(selector, namespaceLabels);

/** Pods in these namespaces. */
export const namespaces: Filter<readonly string[]> = { matches: isNamed, matchesRecorded: isNamed };

/** Pods in namespaces with these labels. */
export const namespaceSelector: Filter<LabelSelector> = { matches: isSelected, matchesRecorded: isSelected };
