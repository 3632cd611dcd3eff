export { checkKubeletEngine } from "./check";
export { type RegistryCredentials, credentialsOf, isNodesOwn, registryOf, registryPort } from "./registry";
export { type KubeletEngineSpec, type ResolvedKubeletEngine, kubeletEngineSchema } from "./schema";
