/** What `cedana-cdk init` puts into the file. */
export interface InitAnswers {
  /** What checkpoints and restores. */
  readonly engine: "kubelet" | "cedana";
  /** Name of the EKS cluster. */
  readonly name: string;
  readonly region: string;
  /** Kubernetes minor, such as 1.35. */
  readonly kubernetesVersion: string;
  /** Role that becomes cluster admin. */
  readonly adminArn: string;
  /** Id of the cluster on the Cedana platform. */
  readonly clusterId: string;
  /** Cedana platform. */
  readonly url: string;
  /** Bucket of checkpoints. */
  readonly bucket: string;
  /** What is made on the AWS side. */
  readonly aws: "new" | "existing" | "none";
  /** Whether there is a GPU node group. */
  readonly gpu: boolean;
  /** Output directory. */
  readonly output: string;
}

export const INIT_DEFAULTS: InitAnswers = {
  engine: "kubelet",
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
  const parts = [
    HEADER,
    ...(answers.aws === "new" ? [cluster(answers)] : []),
    ...(answers.aws === "existing" ? [existingCluster(answers)] : []),
    ...(aws
      ? [nodeGroups(answers), answers.engine === "cedana" ? storage(answers) : imageRepository(answers)]
      : []),
    ...(answers.engine === "cedana" ? [engine(answers, aws), INSTALL] : [kubelet(answers, aws), CONTROLLED]),
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
  return `# The EKS cluster. To use one that exists, write existingCluster in place of cluster and network.
cluster:
  name: ${text(name)}
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
  return `# A cluster that exists. What is left out here is looked up by Terraform.
existingCluster:
  name: ${text(name)}
  version: ${JSON.stringify(kubernetesVersion)}
  region: ${region}
`;
}

function nodeGroups({ gpu }: InitAnswers): string {
  const group = `- name: gpu
  instanceTypes: [g6.2xlarge]
  scaling: { min: 0, max: 4 }
  rootVolume: { sizeGiB: 200 } # checkpoints include GPU memory
  taints:
    - { key: nvidia.com/gpu, value: "true", effect: NoSchedule }`;
  const lines = group.split("\n").map((line) => (gpu ? `  ${line}` : `  # ${line}`));
  return `# Nodes with checkpointing: they get the label cedana.ai/enabled and, until their agent is ready, the startup taint.
nodeGroups:
  - name: cpu
    instanceTypes: [m7i.2xlarge, m7a.2xlarge] # all of one architecture
    scaling: { min: 2, max: 10 }
    rootVolume: { sizeGiB: 100 } # stores checkpoints before they are uploaded
${lines.join("\n")}
`;
}

function storage({ bucket, output }: InitAnswers): string {
  return `# The S3 bucket of checkpoints, encrypted with a key of its own.
storage:
  bucket: ${text(bucket)} # change: bucket names are unique in the world
  expireDays: 30
  staticKeyUser: true # Cedana's s3 plugin takes static keys only; the key itself is never made here

# S3 bucket for the state of Terraform. Default: a file in ${output}/terraform.
# terraform:
#   backend: { bucket: my-terraform-state, region: eu-west-1 }
`;
}

function engine({ clusterId, url, bucket, region, gpu }: InitAnswers, aws: boolean): string {
  const place = aws
    ? `  checkpointDir: s3://${bucket}/checkpoints
  awsRegion: ${region}`
    : `  checkpointDir: cedana://checkpoints`;
  const keys = aws
    ? `
    awsAccessKeyId: { name: cedana-secrets, key: aws-access-key-id }
    awsSecretAccessKey: { name: cedana-secrets, key: aws-secret-access-key }`
    : "";
  return `# What checkpoints and restores. Secrets are references only; make the Secret yourself:
#   kubectl -n cedana-system create secret generic cedana-secrets --from-file=auth-token=<file>
engine:
  kind: cedana
  clusterId: ${clusterId} # change to the id that the Cedana platform shows
  url: ${url}
${place}
  gpu: ${gpu ? "interception" : "none"}
  secrets:
    authToken: { name: cedana-secrets, key: auth-token }${keys}
`;
}

function imageRepository({ output }: InitAnswers): string {
  return `# The ECR repository of checkpoints, which are images. The agents get a role with which they push, and no more.
imageRepository:
  name: ${REPOSITORY}
  keepLast: 100

# S3 bucket for the state of Terraform. Default: a file in ${output}/terraform.
# terraform:
#   backend: { bucket: my-terraform-state, region: eu-west-1 }
`;
}

/** Name of the repository of checkpoints. */
const REPOSITORY = "checkpoints";

function kubelet({ adminArn, region, gpu }: InitAnswers, aws: boolean): string {
  const account = adminArn.split(":")[4] ?? "123456789012";
  const registry = aws ? `${account}.dkr.ecr.${region}.amazonaws.com` : "registry.example.com";
  return `# What checkpoints and restores: the kubelet, with CRIU that the helper lays on the nodes. With Cedana's own engine instead:
# cedana-cdk init --engine cedana. No image of the agent is published; docs/image/node-agent.md says how to build one.
engine:
  kind: kubelet
  image: { repository: ${registry}/cedana-node-agent, tag: 0.1.0 } # change to where you push it
  repository: ${registry}/${REPOSITORY} # change: where checkpoints go, as images with all secrets of the processes in them
  quota: 20Gi # of a node's disk
  gpu: ${gpu ? "cuda # needs CRIU's plugin and cuda-checkpoint, added when you build the image" : "none"}
`;
}

const CONTROLLED = `# How it is installed. Resources, tolerations and the like have defaults; see docs/cedana-yaml.md.
install:
  namespace: cedana-system
  # Asks the agents for checkpoints, and takes the startup taint from nodes that can checkpoint. No image of it is published;
  # docs/kubernetes/controller.md says how to build one.
  controller:
    image: { repository: registry.example.com/cedana-controller, tag: 0.1.0 } # change to where you push it
`;

const INSTALL = `# How it is installed. Images, resources, tolerations and the like have defaults; see docs/cedana-yaml.md.
install:
  namespace: cedana-system
  # This toolkit's controller takes the startup taint from nodes in place of Cedana's manager, and acts upon Checkpoint
  # objects. No image of it is published; docs/kubernetes/controller.md says how to build one.
  # controller:
  #   image: { repository: registry.example.com/cedana-controller, tag: 0.1.0 }
`;

function outputDirectory({ output }: InitAnswers): string {
  return `output:
  directory: ${output} # one platform file per directory
  format: objects # objects (one file per object, for GitOps), file or helm
`;
}

/** Plain where YAML reads it back as the same text, else in quotes. */
function text(value: string): string {
  return /^[A-Za-z][\w-]*$/.test(value) && !/^(y|n|yes|no|on|off|true|false|null)$/i.test(value)
    ? value
    : JSON.stringify(value);
}
