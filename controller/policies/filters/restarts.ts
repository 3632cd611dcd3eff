import type { PodFilter } from "../../../api";
import type { Filter } from "../core/types";

/** Pods with this number of restarts. */
export const restarts: Filter<NonNullable<PodFilter["restarts"]>> = {
  matches: ({ min = 0, max = Number.POSITIVE_INFINITY }, pod) => pod.restarts >= min && pod.restarts <= max,
};
