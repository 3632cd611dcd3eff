import type { Filter } from "../core/types";

/** Pods that have all of these containers. */
export const containers: Filter<readonly string[]> = {
  matches: (names, pod) => names.every((name) => pod.containers.includes(name)),
};
