import * as v from "../../schema/valibot";
import { dnsSuffix } from "../../region";
import { described, shape } from "../../schema";
import { checkpointEntries, type EngineDefinition, type Template, type TemplateValues } from "../engine";
import { agentAccess, agentCheckpoints, nodeAgentCapabilities } from "../node-agent";
import { kubeletEngineSchema } from "./schema";
import { checkKubeletEngine, checkKubeletInstall } from "./check";
import { KUBELET_FEATURES, renderKubeletTable } from "./features";

/** Describes the engine settings of the controller. */
export const kubeletControllerSchema = shape({
  ...checkpointEntries,
  engine: described(v.literal("kubelet"), "Engine that takes checkpoints."),
  agent: agentAccess,
});

/** Name of the repository of checkpoint images in the template. */
const REPOSITORY = "checkpoints";

/** Returns the sections of the platform file that depend on the engine. */
export function kubeletTemplate({ accountId, aws, gpu, region }: TemplateValues): Template {
  const registry = aws ? `${accountId}.dkr.ecr.${region}.${dnsSuffix(region)}` : "registry.example.com";
  return {
    storage: `# The ECR repository of checkpoint images. The role of the agents may only push images.
imageRepository:
  name: ${REPOSITORY}
  keepLast: 100
`,
    engine: `# The engine that takes and restores checkpoints: the kubelet, with CRIU that the helper installs on the nodes. For Cedana's engine:
# cedana-cdk init --engine cedana. The image of the agent is not published; docs/image/node-agent.md describes how to build it.
engine:
  kind: kubelet
  image: { repository: ${registry}/cedana-node-agent, tag: 0.1.0 } # change to your registry
  repository: ${registry}/${REPOSITORY} # change to a private repository: checkpoint images contain all secrets of the processes
  quota: 20Gi # maximum disk space of checkpoint archives on a node
  gpu: ${gpu ? "cuda # requires CRIU's plugin and cuda-checkpoint, added when you build the image" : "none"}
`,
    install: `# How the engine is installed. Resources, tolerations and others have defaults; see docs/cedana-yaml.md.
install:
  namespace: cedana-system
  # Requests checkpoints from the agents, and removes the startup taint from nodes that can checkpoint. Its image is not
  # published; docs/kubernetes/controller.md describes how to build it.
  controller:
    image: { repository: registry.example.com/cedana-controller, tag: 0.1.0 } # change to your registry
`,
  };
}

export const KUBELET: EngineDefinition<typeof kubeletEngineSchema, typeof kubeletControllerSchema> = {
  schema: kubeletEngineSchema,
  restoresBy: "image",
  needsController: true,
  check: checkKubeletEngine,
  checkInstall: checkKubeletInstall,
  capabilities: (engine, install) => nodeAgentCapabilities(engine, install, { pulls: false }),
  controller: { schema: kubeletControllerSchema, settings: agentCheckpoints },
  features: { text: renderKubeletTable, json: () => ({ features: KUBELET_FEATURES }) },
  template: kubeletTemplate,
};
