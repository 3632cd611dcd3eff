/** Kubernetes for programs: the client and what follows the API server. */
export * from "./client";
export * from "./runtime";
