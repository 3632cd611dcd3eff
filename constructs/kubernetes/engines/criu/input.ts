import { dirname } from "node:path/posix";
import type { Construct } from "constructs";
import { NODE_CHECKPOINT, NODE_MEMORY_WATCH, NODE_RESTORE } from "../../../../api";
import { watchesMemory, type ResolvedCriuEngine } from "../../../../config/engines";
import { SERVICE_DIRECTORY, STATE_DIRECTORY, WRAPPER } from "../../../../config/nodes";
import { agentSettings, STATE } from "../../../../config/programs/agent";
import { inputOfKind, type EngineProps } from "../../input";
import type { EngineInput } from "../engine";
import { hostDirectory, mergeMounts, type NodeAgentInput } from "../node-agent";

/** @throws InvalidInputError with all problems of engine and install, or if it is another engine */
export function criuInputOf(scope: Construct, props: EngineProps): EngineInput<ResolvedCriuEngine> {
  return inputOfKind(scope, props, "criu");
}

/** Directories with a socket of the host service. Mounted, they show a socket that was created again; a mounted socket does not. */
const service = hostDirectory("node-service", SERVICE_DIRECTORY, "read", { create: true });
const serviceState = hostDirectory("node-service-state", STATE_DIRECTORY, "read", { create: true });

/**
 * Returns the input of the node agent, which requests checkpoints and restores from the host service, and exchanges them with
 * the registry. It has no access to files of checkpoints.
 */
export function nodeAgentInput({ engine, install }: EngineInput<ResolvedCriuEngine>): NodeAgentInput {
  const data = dirname(STATE);
  const programs = dirname(WRAPPER);
  return {
    engine,
    install,
    settings: agentSettings(engine, install),
    kinds: [NODE_CHECKPOINT, NODE_RESTORE, ...(watchesMemory(engine, install) ? [NODE_MEMORY_WATCH] : [])],
    wrapper: WRAPPER,
    helperMounts: service,
    // The host service accepts only root, which the container health-check is not. It answers only the method state here.
    checkMounts: serviceState,
    healthMounts: mergeMounts(
      hostDirectory("wrapper", programs, "read", { at: `/host${programs}`, create: true }),
      hostDirectory("state", STATE, "read", { create: true }),
    ),
    // The host service's directories: checkpoints contain all secrets of their processes.
    data: ["checkpoints", "journal", "restore"].map((name) => `${data}/${name}`),
  };
}
