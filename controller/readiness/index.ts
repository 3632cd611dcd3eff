/** The readiness gate: keeps workloads off a node until the agents on it are Ready. */
export { ReadinessGate, type ReadinessGateOptions } from "./gate";
