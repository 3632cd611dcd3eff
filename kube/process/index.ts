/** The life of a process: start, probes, leadership, stop. */
export { metricsRoute, probes, StatusServer, type HealthCheck, type Routes } from "./health";
export { contactChecks, EventLoopCheck, leaseCheck, syncChecks } from "./health-checks";
export { EXIT, runProcess, type RunProcessOptions } from "./process";
