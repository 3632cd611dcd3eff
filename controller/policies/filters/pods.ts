import type { LabelSelector } from "../../../api";
import { selects } from "../core/selector";
import type { Filter } from "../core/types";

/** Pods with these labels. */
export const pods: Filter<LabelSelector> = { matches: (selector, { labels }) => selects(selector, labels) };
