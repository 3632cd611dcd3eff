import { dnsSuffix } from "../../config/cluster";

/** Properties of the cluster that the permissions are limited to. */
export interface ControllerPolicyProps {
  /** AWS partition, such as aws. */
  readonly partition: string;
  /** AWS region of the cluster. */
  readonly region: string;
  /** Id of the AWS account. */
  readonly account: string;
  /** Name of the cluster. */
  readonly clusterName: string;
  /** ARN of the nodes' role. */
  readonly nodeRoleArn: string;
  /** ARN of the interruption queue. */
  readonly queueArn: string;
  /** KMS keys of the root volumes of pools. */
  readonly volumeKeyArns: readonly string[];
}

const OWNED = "owned";

/**
 * Returns the permissions of the Karpenter controller, as two documents below IAM's size limit. They are the statements of
 * Karpenter 1.14's CloudFormation template for all enabled features. Karpenter tags all that it creates with the cluster, and can
 * change and delete only resources with these tags.
 */
export function controllerPolicies(
  props: ControllerPolicyProps,
): Readonly<Record<string, readonly object[]>> {
  return {
    nodes: nodeStatements(props),
    "roles-and-discovery": [
      ...profileStatements(props),
      ...discoveryStatements(props),
      {
        Sid: "Queue",
        Effect: "Allow",
        Action: ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"],
        Resource: props.queueArn,
      },
      ...volumeKeyStatements(props),
    ],
  };
}

/** Returns the permissions on KMS keys. EC2 uses the caller's to create encrypted volumes; without them instances stop at once. */
function volumeKeyStatements({ region, volumeKeyArns }: ControllerPolicyProps): object[] {
  if (volumeKeyArns.length === 0) return [];
  const viaEc2 = { StringEquals: { "kms:ViaService": `ec2.${region}.${dnsSuffix(region)}` } };
  return [
    {
      Sid: "VolumeKeys",
      Effect: "Allow",
      Action: [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
      ],
      Resource: [...volumeKeyArns],
      Condition: viaEc2,
    },
    {
      Sid: "VolumeKeyGrants",
      Effect: "Allow",
      Action: "kms:CreateGrant",
      Resource: [...volumeKeyArns],
      Condition: { ...viaEc2, Bool: { "kms:GrantIsForAWSResource": "true" } },
    },
  ];
}

function nodeStatements({ partition, region, clusterName }: ControllerPolicyProps): object[] {
  const ec2 = (account: "" | "*", ...kinds: string[]) =>
    kinds.map((kind) => `arn:${partition}:ec2:${region}:${account}:${kind}/*`);
  const clusterTag = `kubernetes.io/cluster/${clusterName}`;
  const created = [
    "fleet",
    "instance",
    "volume",
    "network-interface",
    "launch-template",
    "spot-instances-request",
  ];
  const ownedBy = {
    StringEquals: { [`aws:ResourceTag/${clusterTag}`]: OWNED },
    StringLike: { "aws:ResourceTag/karpenter.sh/nodepool": "*" },
  };
  const requested = {
    [`aws:RequestTag/${clusterTag}`]: OWNED,
    "aws:RequestTag/eks:eks-cluster-name": clusterName,
  };
  const anyPool = { "aws:RequestTag/karpenter.sh/nodepool": "*" };
  return [
    {
      Sid: "StartFrom",
      Effect: "Allow",
      Action: ["ec2:RunInstances", "ec2:CreateFleet"],
      Resource: [
        ...ec2("", "image", "snapshot"),
        ...ec2("*", "security-group", "subnet", "capacity-reservation", "placement-group"),
      ],
    },
    {
      Sid: "StartFromOwnTemplates",
      Effect: "Allow",
      Action: ["ec2:RunInstances", "ec2:CreateFleet"],
      Resource: ec2("*", "launch-template"),
      Condition: ownedBy,
    },
    {
      Sid: "StartTagged",
      Effect: "Allow",
      Action: ["ec2:RunInstances", "ec2:CreateFleet", "ec2:CreateLaunchTemplate"],
      Resource: ec2("*", ...created),
      Condition: { StringEquals: requested, StringLike: anyPool },
    },
    {
      Sid: "TagAtCreation",
      Effect: "Allow",
      Action: "ec2:CreateTags",
      Resource: ec2("*", ...created),
      Condition: {
        StringEquals: {
          ...requested,
          "ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"],
        },
        StringLike: anyPool,
      },
    },
    {
      Sid: "TagOwn",
      Effect: "Allow",
      Action: "ec2:CreateTags",
      Resource: ec2("*", "instance"),
      Condition: {
        ...ownedBy,
        StringEqualsIfExists: { "aws:RequestTag/eks:eks-cluster-name": clusterName },
        "ForAllValues:StringEquals": {
          "aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"],
        },
      },
    },
    {
      Sid: "EndOwn",
      Effect: "Allow",
      Action: ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"],
      Resource: ec2("*", "instance", "launch-template"),
      Condition: ownedBy,
    },
  ];
}

function profileStatements(props: ControllerPolicyProps): object[] {
  const { partition, region, account, clusterName, nodeRoleArn } = props;
  const profiles = `arn:${partition}:iam::${account}:instance-profile/*`;
  const tag = `kubernetes.io/cluster/${clusterName}`;
  const nodeClass = "karpenter.k8s.aws/ec2nodeclass";
  const requested = {
    [`aws:RequestTag/${tag}`]: OWNED,
    "aws:RequestTag/eks:eks-cluster-name": clusterName,
    "aws:RequestTag/topology.kubernetes.io/region": region,
  };
  const owned = {
    [`aws:ResourceTag/${tag}`]: OWNED,
    "aws:ResourceTag/topology.kubernetes.io/region": region,
  };
  return [
    {
      Sid: "PassNodeRole",
      Effect: "Allow",
      Action: "iam:PassRole",
      Resource: nodeRoleArn,
      Condition: { StringEquals: { "iam:PassedToService": ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"] } },
    },
    {
      Sid: "MakeProfiles",
      Effect: "Allow",
      Action: "iam:CreateInstanceProfile",
      Resource: profiles,
      Condition: { StringEquals: requested, StringLike: { [`aws:RequestTag/${nodeClass}`]: "*" } },
    },
    {
      Sid: "TagProfiles",
      Effect: "Allow",
      Action: "iam:TagInstanceProfile",
      Resource: profiles,
      Condition: {
        StringEquals: { ...owned, ...requested },
        StringLike: { [`aws:ResourceTag/${nodeClass}`]: "*", [`aws:RequestTag/${nodeClass}`]: "*" },
      },
    },
    {
      Sid: "ChangeOwnProfiles",
      Effect: "Allow",
      Action: [
        "iam:AddRoleToInstanceProfile",
        "iam:RemoveRoleFromInstanceProfile",
        "iam:DeleteInstanceProfile",
      ],
      Resource: profiles,
      Condition: { StringEquals: owned, StringLike: { [`aws:ResourceTag/${nodeClass}`]: "*" } },
    },
    { Sid: "ReadProfiles", Effect: "Allow", Action: "iam:GetInstanceProfile", Resource: profiles },
    { Sid: "ListProfiles", Effect: "Allow", Action: "iam:ListInstanceProfiles", Resource: "*" },
  ];
}

function discoveryStatements(props: ControllerPolicyProps): object[] {
  const { partition, region, account, clusterName } = props;
  const cluster = `arn:${partition}:eks:${region}:${account}:cluster/${clusterName}`;
  return [
    { Sid: "Cluster", Effect: "Allow", Action: "eks:DescribeCluster", Resource: cluster },
    {
      Sid: "ZonalShift",
      Effect: "Allow",
      Action: "arc-zonal-shift:GetManagedResource",
      Resource: "*",
      Condition: { StringEquals: { "arc-zonal-shift:ResourceIdentifier": cluster } },
    },
    {
      Sid: "Describe",
      Effect: "Allow",
      Action: [
        "CapacityReservations",
        "Images",
        "Instances",
        "InstanceStatus",
        "InstanceTypeOfferings",
        "InstanceTypes",
        "LaunchTemplates",
        "PlacementGroups",
        "SecurityGroups",
        "SpotPriceHistory",
        "Subnets",
      ].map((what) => `ec2:Describe${what}`),
      Resource: "*",
      Condition: { StringEquals: { "aws:RequestedRegion": region } },
    },
    {
      Sid: "ImageParameters",
      Effect: "Allow",
      Action: "ssm:GetParameter",
      Resource: `arn:${partition}:ssm:${region}::parameter/aws/service/*`,
    },
    { Sid: "Prices", Effect: "Allow", Action: "pricing:GetProducts", Resource: "*" },
  ];
}
