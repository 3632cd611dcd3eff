// The whole AWS side as one stack: network, cluster, storage, image repository.
import { App } from "cdktf";
import { PlatformStack } from "cedana-cdk/stacks/aws";

const app = new App();

new PlatformStack(app, "platform", {
  cluster: {
    name: "research",
    version: "1.35",
    region: "eu-west-1",
    accessEntries: [
      {
        name: "admins",
        principalArn: "arn:aws:iam::123456789012:role/PlatformAdmin",
        policies: [{ policy: "AmazonEKSClusterAdminPolicy" }],
      },
    ],
    // For tests only: remove this line for a production cluster.
    deletionProtection: false,
  },
  network: { cidr: "10.20.0.0/16", natGateways: "one" },
  nodeGroups: [
    {
      name: "general",
      instanceTypes: ["m7i.2xlarge"],
      scaling: { min: 2, max: 10, desired: { initial: 3 } },
    },
  ],
  storage: {
    expireDays: 30,
    writers: [{ namespace: "cedana-system", serviceAccount: "cedana-uploader" }],
  },
  imageRepository: {
    name: "research/checkpoints",
    writers: [{ namespace: "cedana-system", serviceAccount: "cedana-uploader" }],
  },
  terraform: { tags: { project: "research", "managed-by": "terraform" } },
});

app.synth();
