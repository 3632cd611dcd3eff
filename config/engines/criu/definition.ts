import type { InferOutput } from "../../schema/valibot";
import type { CheckpointsOf, ResolvedInstall } from "../../install";
import { dnsSuffix } from "../../region";
import type { EngineDefinition, Template, TemplateValues } from "../engine";
import {
  agentCheckpoints,
  checkAgentPods,
  checkDeletion,
  checkNodeAgent,
  nodeAgentCapabilities,
} from "../node-agent";
import { criuControllerSchema } from "./controller";
import { CRIU_FEATURES, renderCriuTable } from "./features";
import { CRIU_HANDLER } from "./node";
import { criuEngineSchema, runtimeClassesOf, type ResolvedCriuEngine } from "./schema";

/** Returns the engine settings of the controller. */
function controllerSettings(
  engine: ResolvedCriuEngine,
  install: ResolvedInstall,
  checkpoints: CheckpointsOf,
): InferOutput<typeof criuControllerSchema> {
  const { tcp, preDump, freezeSeconds, restore } = engine;
  return {
    ...agentCheckpoints(engine, install, checkpoints),
    tcp,
    preDump,
    freezeSeconds,
    runtimeClasses: runtimeClassesOf(engine),
    restore,
  };
}

/** Name of the repository of checkpoint artifacts in the template. */
const REPOSITORY = "checkpoints";

/** Returns the sections of the platform file that depend on the engine. */
function template({ accountId, aws, region }: TemplateValues): Template {
  const registry = aws ? `${accountId}.dkr.ecr.${region}.${dnsSuffix(region)}` : "registry.example.com";
  return {
    storage: `# The ECR repository of checkpoints. The role of the agents pushes and pulls them.
imageRepository:
  name: ${REPOSITORY}
  # expireDays: 90 # default: checkpoints are never deleted
`,
    engine: `# The engine that takes and restores checkpoints: CRIU on the nodes. It checkpoints all containers of a pod at one moment.
# The image of the agent is not published; docs/image/node-agent.md describes how to build it.
engine:
  kind: criu
  image: { repository: ${registry}/cedana-node-agent, tag: 0.1.0 } # change to your registry
  repository: ${registry}/${REPOSITORY} # change to a private repository: checkpoints contain all secrets of the processes
  quota: 20Gi # maximum disk space of checkpoints on a node
  tcp: close # established connections: close, loopback (keep those within a pod) or refuse
`,
    install: `# How the engine is installed. Resources, tolerations and others have defaults; see docs/cedana-yaml.md.
install:
  namespace: cedana-system
  # Requests checkpoints and restores from the agents, and removes the startup taint from nodes that can checkpoint. Its
  # image is not published; docs/kubernetes/controller.md describes how to build it.
  controller:
    image: { repository: registry.example.com/cedana-controller, tag: 0.1.0 } # change to your registry
`,
  };
}

export const CRIU: EngineDefinition<typeof criuEngineSchema, typeof criuControllerSchema> = {
  schema: criuEngineSchema,
  restoresBy: "plan",
  runtimeHandler: CRIU_HANDLER,
  readsMemory: true,
  needsController: true,
  check: checkNodeAgent,
  checkInstall: (engine, install) => [...checkAgentPods(install), ...checkDeletion(engine, install)],
  capabilities: (engine, install) => ({
    ...nodeAgentCapabilities(engine, install),
    runtimeClassHandler: CRIU_HANDLER.name,
  }),
  controller: { schema: criuControllerSchema, settings: controllerSettings },
  features: { text: renderCriuTable, json: () => ({ features: CRIU_FEATURES }) },
  template,
};
