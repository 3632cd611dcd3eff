/** Objects of this toolkit's node agent, which several engines use. */
export { NodeAgent } from "./agent";
export { requestGrants } from "./grants";
export type { NodeAgentInput } from "./input";
export { networkPolicies } from "./network-policies";
export { hostDirectory, mergeMounts, type Mounts } from "./pod";
export { NodeAgentRemoval } from "./removal";
