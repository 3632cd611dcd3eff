// The criu engine on an existing cluster, both sides from one platform: nodes that boot with the runtime handler and the host
// service, an ECR repository to which the agents push and from which they pull, and the install.
import { App as Cdk8sApp } from "cdk8s";
import { App } from "cdktf";
import { type KubernetesObject, layout } from "cedana-cdk/manifests";
import { writeTree } from "cedana-cdk/output";
import { resolvePlatform } from "cedana-cdk/platform";
import { stackFromPlatform } from "cedana-cdk/stacks/aws";
import { chartsFromPlatform } from "cedana-cdk/stacks/kubernetes";

const registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

const platform = resolvePlatform({
  version: 1,
  existingCluster: {
    name: "research",
    version: "1.35",
    region: "eu-west-1",
    subnetIds: ["subnet-0aaaaaaaaaaaaaaa1", "subnet-0bbbbbbbbbbbbbbb2"],
  },
  nodeGroups: [{ name: "checkpointing", instanceTypes: ["m7i.2xlarge"], scaling: { min: 1, max: 5 } }],
  imageRepository: { name: "checkpoints" },
  engine: {
    kind: "criu",
    image: { repository: `${registry}/cedana-node-agent`, tag: "0.1.0" },
    repository: `${registry}/checkpoints`,
    quota: "40Gi",
  },
  install: {
    controller: { image: { repository: `${registry}/cedana-controller`, tag: "0.1.0" } },
    checkpoints: { namespaces: ["default", "training"] },
  },
});

const app = new App();
stackFromPlatform(app, platform);
app.synth();

const charts = chartsFromPlatform(new Cdk8sApp(), platform);
writeTree(
  process.argv[2] ?? "out/criu-engine",
  layout(charts.flatMap((chart) => chart.toJson() as KubernetesObject[])),
  "examples/criu-engine",
);
