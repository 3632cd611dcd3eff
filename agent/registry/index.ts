/** How the agent speaks to the registry of checkpoint images. */
export { registryCredentials, type Identity } from "./credentials";
