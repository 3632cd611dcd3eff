/** Health check: checks whether a node can checkpoint and restore, and reports it. */
export { criuCheck, runCriuChecks, type CriuCheckOptions } from "./criu-check";
export {
  conditionOf,
  type CheckName,
  type Finding,
  type HealthCondition,
  Reporter,
  type OwnPod,
} from "./finding";
export { probesOf, type ProbesOptions } from "./probes";
export { runHealth, type HealthOptions, type Log } from "./run";
