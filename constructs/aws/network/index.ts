export { Network, type NetworkProps, type INetwork } from "./network";
