import { Testing, TerraformStack } from "cdktf";
import { Cluster } from "../../../../constructs/aws/cluster";
import { InterruptionQueue } from "../../../../constructs/aws/interruption-queue";
import { Karpenter } from "../../../../constructs/aws/karpenter";
import type { NodePoolSpec } from "../../../../config";
import { addresses, only, resources, synthStack } from "../../../support/terraform-json";

function synth(name = "training", nodePools: NodePoolSpec[] = []) {
  const stack = new TerraformStack(Testing.app(), "test");
  const cluster = Cluster.fromAttributes(stack, "cluster", {
    name,
    version: "1.34",
    region: "eu-west-1",
  });
  new Karpenter(stack, "karpenter", { cluster, nodePools });
  return synthStack(stack);
}

interface Statement {
  readonly Sid: string;
  readonly Action: string | string[];
  readonly Resource: string | string[];
  readonly Condition?: object;
}
const statements = (json: ReturnType<typeof synth>) =>
  resources(json, "aws_iam_role_policy").flatMap(
    ({ policy }) => (JSON.parse(String(policy)) as { Statement: Statement[] }).Statement,
  );
const actions = ({ Action }: Statement) => [Action].flat();

test("creates Karpenter's resources at fixed addresses", () => {
  expect(addresses(synth())).toMatchInlineSnapshot(`
    [
      "aws_cloudwatch_event_rule.karpenter_interruption_capacity-reservation-interruption_3FF609EE",
      "aws_cloudwatch_event_rule.karpenter_interruption_health-event_FD410EC4",
      "aws_cloudwatch_event_rule.karpenter_interruption_instance-state-change_8D4C0108",
      "aws_cloudwatch_event_rule.karpenter_interruption_rebalance-recommendation_EDD8828A",
      "aws_cloudwatch_event_rule.karpenter_interruption_spot-interruption_7D9046C1",
      "aws_cloudwatch_event_target.karpenter_interruption_capacity-reservation-interruption-target_D8B54E37",
      "aws_cloudwatch_event_target.karpenter_interruption_health-event-target_9B3BAF65",
      "aws_cloudwatch_event_target.karpenter_interruption_instance-state-change-target_015DF7A5",
      "aws_cloudwatch_event_target.karpenter_interruption_rebalance-recommendation-target_4D45BCF8",
      "aws_cloudwatch_event_target.karpenter_interruption_spot-interruption-target_9B5E57EB",
      "aws_ec2_tag.karpenter_discovery_53329324",
      "aws_eks_access_entry.karpenter_access_BEA16BA9",
      "aws_eks_pod_identity_association.karpenter_controller_association_567B1B68",
      "aws_iam_role.karpenter_controller_role_B949CF60",
      "aws_iam_role.karpenter_node_role_2C08D5A6",
      "aws_iam_role_policy.karpenter_controller_nodes_4CB31B59",
      "aws_iam_role_policy.karpenter_controller_roles-and-discovery_B2A4D3F2",
      "aws_iam_role_policy_attachment.karpenter_node_AmazonEC2ContainerRegistryPullOnly_7D666008",
      "aws_iam_role_policy_attachment.karpenter_node_AmazonEKSWorkerNodePolicy_EB11D3F5",
      "aws_sqs_queue.karpenter_interruption_queue_5EE1E876",
      "aws_sqs_queue_policy.karpenter_interruption_policy_C4E9418E",
      "data.aws_caller_identity.cedana-account",
      "data.aws_caller_identity.karpenter_account_6874E78F",
      "data.aws_eks_cluster.cluster_A4C38409",
    ]
  `);
});

test("limits statements that change or terminate resources to those of the cluster", () => {
  const changing = statements(synth()).filter((statement) =>
    actions(statement).some((action) => !/:(Describe|Get|List|Receive)/.test(action)),
  );
  expect(changing.map(({ Sid }) => Sid)).toEqual([
    "StartFrom",
    "StartFromOwnTemplates",
    "StartTagged",
    "TagAtCreation",
    "TagOwn",
    "EndOwn",
    "PassNodeRole",
    "MakeProfiles",
    "TagProfiles",
    "ChangeOwnProfiles",
    "Queue",
  ]);
  for (const statement of changing) {
    expect([statement.Resource].flat()).not.toContain("*");
    // Starting from an image or subnet is bounded by what must be tagged at the same call; the queue is one queue.
    if (["StartFrom", "Queue", "PassNodeRole"].includes(statement.Sid)) continue;
    expect(JSON.stringify(statement.Condition)).toContain("kubernetes.io/cluster/training");
  }
});

test("allows to pass only the nodes' role, and only to EC2", () => {
  const pass = statements(synth()).find(({ Sid }) => Sid === "PassNodeRole");
  expect(pass?.Resource).toMatch(/^\$\{aws_iam_role\.karpenter_node_role_\w+\.arn\}$/);
  expect(pass?.Condition).toEqual({
    StringEquals: {
      "iam:PassedToService": ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"],
    },
  });
});

test("allows the controller to use the keys of its pools' volumes through EC2, and no other keys", () => {
  const kmsKeyArn = "arn:aws:kms:eu-west-1:123456789012:key/k";
  const pool = {
    amiVersion: "v20260714",
    instanceTypes: ["m7i.large"],
    rootVolume: { kmsKeyArn },
  };
  const using = statements(
    synth("training", [
      { name: "a", ...pool },
      { name: "b", ...pool },
    ]),
  ).filter((one) => actions(one).some((action) => action.startsWith("kms:")));
  expect(using.map(({ Sid }) => Sid)).toEqual(["VolumeKeys", "VolumeKeyGrants"]);
  for (const { Resource, Condition } of using) {
    expect(Resource).toEqual([kmsKeyArn]);
    expect(Condition).toMatchObject({
      StringEquals: { "kms:ViaService": "ec2.eu-west-1.amazonaws.com" },
    });
  }
  expect(using[1]?.Condition).toMatchObject({
    Bool: { "kms:GrantIsForAWSResource": "true" },
  });
  expect(JSON.stringify(statements(synth()))).not.toContain("kms:");
});

test("keeps all policies within the 10,240 characters of a role", () => {
  const size = resources(synth("a".repeat(45)), "aws_iam_role_policy")
    .map(({ policy }) => String(policy).length)
    .reduce((sum, length) => sum + length, 0);
  expect(size).toBeLessThan(8000);
});

test("routes exactly five events to the queue, and only over TLS", () => {
  const json = synth();
  const types = resources(json, "aws_cloudwatch_event_rule").map(
    ({ event_pattern }) =>
      (JSON.parse(String(event_pattern)) as Record<string, string[]>)["detail-type"]?.[0] ?? "",
  );
  expect(types.toSorted()).toEqual([
    "AWS Health Event",
    "EC2 Capacity Reservation Instance Interruption Warning",
    "EC2 Instance Rebalance Recommendation",
    "EC2 Instance State-change Notification",
    "EC2 Spot Instance Interruption Warning",
  ]);
  expect(resources(json, "aws_cloudwatch_event_target")).toHaveLength(5);
  expect(only(json, "aws_sqs_queue")).toMatchObject({
    name: "training-karpenter",
    sqs_managed_sse_enabled: true,
    message_retention_seconds: 300,
  });
  const policy = JSON.parse(String(only(json, "aws_sqs_queue_policy")["policy"])) as {
    Statement: {
      Effect: string;
      Condition: Record<string, Record<string, unknown>>;
    }[];
  };
  expect(policy.Statement.map(({ Effect }) => Effect)).toEqual(["Allow", "Deny"]);
  expect(policy.Statement[0]?.Condition["ArnEquals"]?.["aws:SourceArn"]).toHaveLength(5);
  expect(policy.Statement[1]?.Condition).toEqual({
    Bool: { "aws:SecureTransport": "false" },
  });
});

test("rejects a queue name that SQS does not accept", () => {
  const make = (name: string) =>
    new InterruptionQueue(new TerraformStack(Testing.app(), "test"), "queue", {
      name,
    });
  expect(() => make("a".repeat(81))).toThrow(/name {2}is not a valid SQS queue name/);
  expect(() => make("queue.fifo")).toThrow(/name {2}is not a valid SQS queue name/);
});

test("adds an access entry for the nodes, and tags the security group for the pools", () => {
  const json = synth();
  expect(only(json, "aws_eks_access_entry")).toMatchObject({
    type: "EC2_LINUX",
    cluster_name: "training",
  });
  expect(only(json, "aws_ec2_tag")).toMatchObject({
    key: "karpenter.sh/discovery",
    value: "training",
  });
  expect(only(json, "aws_eks_pod_identity_association")).toMatchObject({
    namespace: "kube-system",
    service_account: "karpenter",
  });
});

test("rejects names that are too long for IAM before Terraform runs", () => {
  expect(() => synth("a".repeat(60))).toThrow(/nodeRoleName {2}is too long for an IAM role name/);
});
