export { Network, type NetworkProps } from "./network";
export type { INetwork } from "./types";
