import type { Construct } from "constructs";
import { NODE_CHECKPOINT } from "../../../../api";
import type { ResolvedKubeletEngine } from "../../../../config/engines";
import { agentSettings, ARCHIVES } from "../../../../config/programs/agent";
import { inputOfKind, type EngineProps } from "../../input";
import type { EngineInput } from "../engine";
import { hostDirectory, mergeMounts, type NodeAgentInput } from "../node-agent";

/** @throws InvalidInputError with all problems of engine and install, or if it is another engine */
export function kubeletInputOf(scope: Construct, props: EngineProps): NodeAgentInput {
  return nodeAgentInput(inputOfKind(scope, props, "kubelet"));
}

/** Returns the input of the node agent, which requests checkpoints from the kubelet and pushes its archives. */
export function nodeAgentInput({ engine, install }: EngineInput<ResolvedKubeletEngine>): NodeAgentInput {
  const settings = agentSettings(engine, install);
  return {
    engine,
    install,
    settings,
    kinds: [NODE_CHECKPOINT],
    // The kubelet authorizes requests by the API server.
    helperRules: [{ apiGroups: [""], resources: ["nodes/checkpoint"], verbs: ["create"] }],
    helperPorts: [settings.kubelet.port],
    helperMounts: hostDirectory("archives", ARCHIVES, "write", { create: true }),
    checkMounts: mergeMounts(),
    healthMounts: hostDirectory("archives", ARCHIVES, "read", { create: true }),
    data: [],
  };
}
