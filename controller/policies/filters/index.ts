/** Filters by their field in `spec.filter` of a policy. A pod must match all. */
import type { Filter } from "../core/types";
import { containers } from "./containers";
import { expression } from "./expression";
import { minRunningSeconds } from "./min-running-seconds";
import { namespaces, namespaceSelector } from "./namespaces";
import { owners } from "./owners";
import { phases } from "./phases";
import { pods } from "./pods";
import { restarts } from "./restarts";

export const FILTERS: Readonly<Record<string, Filter>> = {
  namespaces,
  namespaceSelector,
  pods,
  owners,
  containers,
  minRunningSeconds,
  restarts,
  phases,
  // The last one: it costs most, and only pods that match the others are evaluated.
  expression,
};
