// GPU nodes with Karpenter. Both sides come from one input: roles and queue with cdktf, NodePool and EC2NodeClass with cdk8s.
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { Cluster } from "cedana-cdk/aws/cluster";
import { Karpenter } from "cedana-cdk/aws/karpenter";
import { Network } from "cedana-cdk/aws/network";
import { NodeGroup } from "cedana-cdk/aws/node-group";
import type { KarpenterSpec } from "cedana-cdk/config";
import { NodePools } from "cedana-cdk/kubernetes/integrations/karpenter";
import { App as ManifestApp, Chart } from "cdk8s";
import { App, TerraformOutput, TerraformStack } from "cdktf";
import type { Construct } from "constructs";

const region = "eu-west-1";
const clusterName = "training";
const version = "1.35";

const karpenter: KarpenterSpec = {
  nodePools: [
    {
      name: "gpu-spot",
      amiVersion: "v20260714",
      instanceTypes: ["g6e.2xlarge", "g6e.4xlarge", "g6e.8xlarge"],
      capacityTypes: ["spot", "on-demand"],
      taints: [{ key: "nvidia.com/gpu", value: "present", effect: "NoSchedule" }],
      rootVolume: { sizeGiB: 300, iops: 6000, throughputMiBps: 500 },
      instance: { localStorage: { strategy: "RAID0" } },
      limits: { "nvidia.com/gpu": "32" },
      terminationGracePeriod: "30m",
      disruption: {
        budgets: [
          { nodes: "20%" },
          // Do not replace nodes for a new image during working hours.
          { nodes: "0", reasons: ["Drifted"], schedule: "0 7 * * mon-fri", duration: "11h" },
        ],
      },
    },
  ],
};

class TrainingStack extends TerraformStack {
  constructor(scope: Construct, id: string) {
    super(scope, id);
    new AwsProvider(this, "aws", { region });
    const network = new Network(this, "network", {
      clusterName,
      region,
      ipFamily: "ipv4",
      cidr: "10.30.0.0/16",
    });
    const cluster = new Cluster(this, "cluster", {
      name: clusterName,
      version,
      region,
      network,
      accessEntries: [
        {
          name: "admins",
          principalArn: "arn:aws:iam::123456789012:role/PlatformAdmin",
          policies: [{ policy: "AmazonEKSClusterAdminPolicy" }],
        },
      ],
    });

    // Karpenter cannot run on nodes that it creates: two small nodes without checkpointing run it and CoreDNS.
    const system = new NodeGroup(this, "system", {
      cluster,
      name: "system",
      instanceTypes: ["m7g.large"],
      scaling: { min: 2, max: 3, desired: { managed: 2 } },
      checkpointing: false,
    });
    cluster.afterNodes(system.resource);

    const { interruptionQueue } = new Karpenter(this, "karpenter", { cluster, ...karpenter });
    new TerraformOutput(this, "karpenter_interruption_queue", { value: interruptionQueue.queue.name });
  }
}

const app = new App();
new TrainingStack(app, "training");
app.synth();

const manifests = new ManifestApp({ outdir: "out/gpu-karpenter" });
const chart = new Chart(manifests, "karpenter-pools");
new NodePools(chart, "pools", { clusterName, kubernetesVersion: version, ...karpenter });
manifests.synth();
