// Nodes from a custom image in an existing cluster. The toolkit writes all of the user data.
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { Cluster } from "cedana-cdk/aws/cluster";
import { NodeGroup } from "cedana-cdk/aws/node-group";
import { App, TerraformStack } from "cdktf";
import type { Construct } from "constructs";

const region = "eu-west-1";

class NodesStack extends TerraformStack {
  constructor(scope: Construct, id: string) {
    super(scope, id);
    new AwsProvider(this, "aws", { region });
    const cluster = Cluster.fromAttributes(this, "cluster", {
      name: "production",
      version: "1.35",
      region,
      subnetIds: ["subnet-0a1b2c3d4e5f60718", "subnet-0b1b2c3d4e5f60718"],
    });

    new NodeGroup(this, "hardened", {
      cluster,
      name: "hardened",
      // States what the image contains: otherwise an error is found only when a node fails to join.
      ami: { id: "ami-0a1b2c3d4e5f60718", kernel: "6.12", cgroup: "v2", containerd: "2.2" },
      instanceTypes: ["m7i.4xlarge", "m6i.4xlarge"],
      capacityType: "SPOT",
      scaling: { min: 0, max: 20, desired: { initial: 1 } },
      labels: { "example.com/pool": "hardened" },
      taints: [{ key: "example.com/hardened", value: "true", effect: "NoSchedule" }],
      sysctls: { "fs.pipe-max-size": "4194304" },
      preNodeadm: [
        '#!/bin/bash\nset -euo pipefail\nfor module in overlay br_netfilter; do modprobe "${module}"; done\n',
      ],
      // The vpc-cni of the existing cluster uses the permissions of the nodes.
      rolePolicyArns: ["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"],
      ssm: true,
    });
  }
}

const app = new App();
new NodesStack(app, "nodes");
app.synth();
