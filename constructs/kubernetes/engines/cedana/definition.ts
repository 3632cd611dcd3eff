import type { ResolvedCedanaEngine } from "../../../../config/engines/cedana";
import type { EngineConstructs } from "../engine";
import { CedanaEngine } from "./engine";
import { checkpointGrants } from "./grants";
import { networkPolicies } from "./network-policies";

export const CEDANA_CONSTRUCTS: EngineConstructs<ResolvedCedanaEngine> = {
  create: (scope, id, input) => new CedanaEngine(scope, id, input),
  checkpointGrants,
  networkPolicies,
};
