// The open engine on a cluster that exists: nodes whose containerd restores from images of checkpoints, an ECR repository to which
// the agents may push and no more, and the install.
import { App as Cdk8sApp } from "cdk8s";
import { App } from "cdktf";
import { type KubernetesObject, layout } from "cedana-cdk/manifests";
import { writeTree } from "cedana-cdk/output";
import { PlatformStack } from "cedana-cdk/stacks/aws";
import { CedanaChart } from "cedana-cdk/stacks/kubernetes";

const registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const namespace = "cedana-system";

const app = new App();
new PlatformStack(app, "nodes", {
  existingCluster: {
    name: "research",
    version: "1.35",
    region: "eu-west-1",
    subnetIds: ["subnet-0aaaaaaaaaaaaaaa1", "subnet-0bbbbbbbbbbbbbbb2"],
  },
  nodeGroups: [
    {
      name: "checkpointing",
      instanceTypes: ["m7i.2xlarge"],
      scaling: { min: 1, max: 5 },
    },
  ],
  imageRepository: {
    name: "checkpoints",
    pushers: [{ namespace, serviceAccount: "cedana-agent" }],
    checkers: [{ namespace, serviceAccount: "cedana-health-check" }],
  },
});
app.synth();

const chart = new CedanaChart(new Cdk8sApp(), "cedana", {
  engine: {
    kind: "kubelet",
    image: { repository: `${registry}/cedana-node-agent`, tag: "0.1.0" },
    repository: `${registry}/checkpoints`,
    quota: "40Gi",
  },
  install: {
    namespace,
    controller: { image: { repository: `${registry}/cedana-controller`, tag: "0.1.0" } },
    checkpoints: { namespaces: ["default", "training"] },
  },
});
writeTree(
  process.argv[2] ?? "out/kubelet-engine",
  layout(chart.toJson() as KubernetesObject[]),
  "examples/kubelet-engine",
);
