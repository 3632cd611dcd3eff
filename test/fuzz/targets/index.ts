import type { Target } from "../target";
import { ARTIFACT_TARGETS } from "./artifact";
import { CLUSTER_TARGETS } from "./cluster";
import { NODE_TARGETS } from "./node";
import { PLATFORM_TARGETS } from "./platform";
import { REGISTRY_TARGETS } from "./registry";
import { WEBHOOK_TARGETS } from "./webhook";

/** All targets in TypeScript. Those in Go are in `runtime/`: `Fuzz*` of its tests. */
export const TARGETS: readonly Target[] = [
  ...WEBHOOK_TARGETS,
  ...REGISTRY_TARGETS,
  ...ARTIFACT_TARGETS,
  ...CLUSTER_TARGETS,
  ...NODE_TARGETS,
  ...PLATFORM_TARGETS,
];
