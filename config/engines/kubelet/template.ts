import type { Template, TemplateValues } from "../engine";

/** Name of the repository of checkpoints. */
const REPOSITORY = "checkpoints";

/** Returns the engine's parts of the platform file that `init` writes. */
export function kubeletTemplate({ accountId, aws, gpu, region }: TemplateValues): Template {
  const registry = aws ? `${accountId}.dkr.ecr.${region}.amazonaws.com` : "registry.example.com";
  return {
    storage: `# The ECR repository of checkpoint images. The agents get a role that may only push.
imageRepository:
  name: ${REPOSITORY}
  keepLast: 100
`,
    engine: `# The engine that takes and restores checkpoints: the kubelet, with CRIU that the helper installs on the nodes. For Cedana's engine:
# cedana-cdk init --engine cedana. The image of the agent is not published; docs/image/node-agent.md describes how to build it.
engine:
  kind: kubelet
  image: { repository: ${registry}/cedana-node-agent, tag: 0.1.0 } # change to your registry
  repository: ${registry}/${REPOSITORY} # change: a private one, because checkpoint images contain all secrets of the processes
  quota: 20Gi # of a node's disk
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
