export { Karpenter, type KarpenterProps } from "./karpenter";
