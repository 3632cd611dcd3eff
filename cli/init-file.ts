import { DEFAULT_ENGINE, type EngineKind } from "../config/engine-kinds";
import { ENGINES } from "../config/engines";
import { yamlText } from "../config/yaml-text";

/** Values of the file that `cedana-cdk init` writes. */
export interface InitAnswers {
  /** Engine that takes and restores checkpoints. */
  readonly engine: EngineKind;
  /** Name of the EKS cluster. */
  readonly name: string;
  readonly region: string;
  /** Kubernetes minor, such as 1.35. */
  readonly kubernetesVersion: string;
  /** Role that becomes cluster admin. */
  readonly adminArn: string;
  /** Id of the cluster on the Cedana platform. */
  readonly clusterId: string;
  /** URL of the Cedana platform. */
  readonly url: string;
  /** Bucket of checkpoints. */
  readonly bucket: string;
  /** AWS side: a new cluster, an existing one, or none. */
  readonly aws: "new" | "existing" | "none";
  /** Whether there is a GPU node group. */
  readonly gpu: boolean;
  /** Output directory. */
  readonly output: string;
}

export const INIT_DEFAULTS: InitAnswers = {
  engine: DEFAULT_ENGINE,
  name: "cedana",
  region: "eu-west-1",
  kubernetesVersion: "1.35",
  adminArn: "arn:aws:iam::123456789012:role/platform-admins",
  clusterId: "00000000-0000-4000-8000-000000000000",
  url: "https://sandbox.cedana.ai",
  bucket: "cedana-checkpoints-123456789012",
  aws: "new",
  gpu: false,
  output: "out",
};

/** Returns the text of a commented cedana.yaml. */
export function initFile(answers: InitAnswers): string {
  const aws = answers.aws !== "none";
  const accountId = answers.adminArn.split(":")[4] ?? "123456789012";
  const { storage, engine, install } = ENGINES[answers.engine].template({ ...answers, accountId, aws });
  const parts = [
    HEADER,
    ...(answers.aws === "new" ? [cluster(answers)] : []),
    ...(answers.aws === "existing" ? [existingCluster(answers)] : []),
    ...(aws ? [nodeGroups(answers), `${storage}${terraformState(answers)}`] : []),
    engine,
    install,
    outputDirectory(answers),
  ];
  return parts.join("\n");
}

const HEADER = `# yaml-language-server: $schema=./node_modules/cedana-cdk/dist/cedana.schema.json
#
# The whole platform. Every property is described in docs/cedana-yaml.md, and by editors that read the line above.
# After a change: cedana-cdk validate, then cedana-cdk synth.
version: 1
`;

function cluster({ name, region, kubernetesVersion, adminArn }: InitAnswers): string {
  return `# The EKS cluster. To use an existing one, replace cluster and network by existingCluster.
cluster:
  name: ${yamlText(name)}
  version: ${JSON.stringify(kubernetesVersion)} # in quotes: without them it is a number
  region: ${region}
  # The API endpoint is private to the VPC. To make it public:
  # endpointPublicAccess: true
  # publicAccessCidrs: [203.0.113.0/24]
  accessEntries: # principals with access to the Kubernetes API
    - name: admins
      principalArn: ${adminArn} # change to your role
      policies:
        - policy: AmazonEKSClusterAdminPolicy

network:
  cidr: 10.0.0.0/16
  availabilityZones: 3
  natGateways: perZone # one is cheaper, but all zones then depend on its zone
  # reservedCidrs: [10.1.0.0/16] # peered networks that pods must reach
`;
}

function existingCluster({ name, region, kubernetesVersion }: InitAnswers): string {
  return `# An existing cluster. Terraform looks up the attributes that are not set here.
existingCluster:
  name: ${yamlText(name)}
  version: ${JSON.stringify(kubernetesVersion)}
  region: ${region}
`;
}

function nodeGroups({ gpu }: InitAnswers): string {
  const group = `- name: gpu
  instanceTypes: [g6.2xlarge]
  scaling: { min: 0, max: 4 }
  rootVolume: { sizeGiB: 200 } # holds checkpoints until they are pushed
  taints:
    - { key: nvidia.com/gpu, value: "true", effect: NoSchedule }`;
  const lines = group.split("\n").map((line) => (gpu ? `  ${line}` : `  # ${line}`));
  return `# Nodes with checkpointing: they get the label cedana.ai/enabled and, until their agent is ready, the startup taint.
nodeGroups:
  - name: cpu
    instanceTypes: [m7i.2xlarge, m7i-flex.2xlarge] # one kind of processor: a restore needs its CPU features
    scaling: { min: 2, max: 10 }
    rootVolume: { sizeGiB: 100 } # stores checkpoints before they are uploaded
${lines.join("\n")}
`;
}

function terraformState({ output }: InitAnswers): string {
  return `
# S3 bucket of the Terraform state. Default: a file in ${output}/terraform.
# terraform:
#   backend: { bucket: my-terraform-state, region: eu-west-1 }
`;
}

function outputDirectory({ output }: InitAnswers): string {
  return `output:
  directory: ${output} # one platform file per directory
  format: objects # objects (one file per object, for GitOps), file or helm
`;
}
