import type { Construct } from "constructs";
import type { ResolvedKubeletEngine } from "../../../../config/engines";
import { inputOfKind, type EngineProps } from "../../input";
import type { EngineInput } from "../engine";

export type KubeletInput = EngineInput<ResolvedKubeletEngine>;

/** @throws InvalidInputError with all problems of engine and install, or if it is another engine */
export function kubeletInputOf(scope: Construct, props: EngineProps): KubeletInput {
  return inputOfKind(scope, props, "kubelet");
}
