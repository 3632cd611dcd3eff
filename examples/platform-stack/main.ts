// A platform team's own stack, which combines constructs of the toolkit with other resources.
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { SsmParameter } from "@cdktf/provider-aws/lib/ssm-parameter";
import { CheckpointStore } from "cedana-cdk/aws/checkpoint-store";
import { Cluster } from "cedana-cdk/aws/cluster";
import { Network } from "cedana-cdk/aws/network";
import { NodeGroup } from "cedana-cdk/aws/node-group";
import { PodIdentity } from "cedana-cdk/aws/pod-identity";
import { App, TerraformStack } from "cdktf";
import type { Construct } from "constructs";

const region = "eu-west-1";

class TeamStack extends TerraformStack {
  constructor(scope: Construct, id: string) {
    super(scope, id);
    new AwsProvider(this, "aws", { region, defaultTags: [{ tags: { team: "ml" } }] });

    // Another team owns the VPC.
    const network = Network.fromAttributes(this, "network", {
      vpcId: "vpc-0a1b2c3d4e5f60718",
      privateSubnetIds: ["subnet-0a1b2c3d4e5f60718", "subnet-0b1b2c3d4e5f60718"],
      cidr: "10.64.0.0/16",
    });

    const cluster = new Cluster(this, "cluster", {
      name: "ml",
      version: "1.36",
      region,
      network,
      accessEntries: [
        {
          name: "admins",
          principalArn: "arn:aws:iam::123456789012:role/PlatformAdmin",
          policies: [{ policy: "AmazonEKSClusterAdminPolicy" }],
        },
      ],
      addons: { "aws-ebs-csi-driver": { configuration: { controller: { replicaCount: 2 } } } },
    });
    // Escape hatch: each resource of a construct is a public field.
    cluster.resource.zonalShiftConfig.enabled = true;

    const nodes = new NodeGroup(this, "nodes", {
      cluster,
      name: "general",
      instanceTypes: ["m7i.2xlarge"],
      scaling: { min: 2, max: 10 },
    });
    cluster.afterNodes(nodes.resource);

    const store = new CheckpointStore(this, "checkpoints", { owner: "ml", region, expireDays: 14 });
    const uploader = new PodIdentity(this, "uploader", {
      cluster,
      namespace: "cedana-system",
      serviceAccount: "cedana-uploader",
    });
    store.grantReadWrite("uploader", uploader.role);

    new SsmParameter(this, "checkpoint-url", {
      name: "/ml/checkpoint-url",
      type: "String",
      value: store.url,
    });
  }
}

const app = new App();
new TeamStack(app, "ml");
app.synth();
