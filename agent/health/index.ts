/** The health check of the kubelet engine: whether a node can checkpoint and restore, and how that is told. */
export { conditionOf, type ConditionWords } from "./condition";
export { criuCheck, runCriuChecks, type CriuCheckOptions } from "./criu-check";
export { CHECKS, type CheckName, type Finding } from "./finding";
export { probesOf, type ProbesOptions } from "./probes";
export { Reporter, type OwnPod } from "./reporter";
export { runHealth, type HealthOptions, type Log } from "./run";
