export { PodIdentity, type PodIdentityProps } from "./pod-identity";
