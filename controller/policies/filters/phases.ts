import type { Filter } from "../core/types";

/** Pods in these phases. */
export const phases: Filter<readonly string[]> = {
  unset: ["Running"],
  matches: (names, { phase }) => names.includes(phase),
};
