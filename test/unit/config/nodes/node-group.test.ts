import { Testing, TerraformStack } from "cdktf";
import { Cluster } from "../../../../constructs/aws/cluster";
import { NodeGroup, type NodeGroupProps } from "../../../../constructs/aws/node-group";
import { readMime } from "../../../../render/user-data";
import { addresses, only, resources, synthStack } from "../../../support/terraform-json";

const REGION = "eu-west-1";

function synth(...groups: Omit<NodeGroupProps, "cluster">[]) {
  const stack = new TerraformStack(Testing.app(), "test");
  const cluster = Cluster.fromAttributes(stack, "cluster", {
    name: "production",
    version: "1.34",
    region: REGION,
    subnetIds: ["subnet-0a1b2c3d4e5f60718"],
  });
  const made = groups.map((props) => new NodeGroup(stack, props.name, { cluster, ...props }));
  return { json: synthStack(stack), made };
}

const BASE = {
  name: "a",
  instanceTypes: ["m7i.large"],
  scaling: { min: 1, max: 3 },
};
const group = (props: Partial<NodeGroupProps> = {}) => synth({ ...BASE, ...props });

const userData = (json: ReturnType<typeof synth>["json"]) =>
  Buffer.from(String(only(json, "aws_launch_template")["user_data"]), "base64").toString();

test("creates the resources of a group at fixed addresses", () => {
  expect(addresses(group({ taints: [{ key: "x", effect: "NoSchedule" }] }).json)).toMatchInlineSnapshot(`
    [
      "aws_autoscaling_group_tag.a_label--cedanaai--enabled_74F0101D",
      "aws_autoscaling_group_tag.a_taint--x_2C72A593",
      "aws_eks_node_group.a_group_133DC7ED",
      "aws_iam_role.a_node_role_D7096DBC",
      "aws_iam_role_policy_attachment.a_node_AmazonEC2ContainerRegistryPullOnly_09E5E0C3",
      "aws_iam_role_policy_attachment.a_node_AmazonEKSWorkerNodePolicy_30DD825E",
      "aws_launch_template.a_template_0E6FC087",
    ]
  `);
});

test("creates a node group with the defaults", () => {
  const { json } = group();
  expect(only(json, "aws_eks_node_group")).toMatchObject({
    ami_type: "AL2023_x86_64_STANDARD",
    capacity_type: "ON_DEMAND",
    cluster_name: "production",
    instance_types: ["m7i.large"],
    labels: { "cedana.ai/enabled": "true" },
    node_group_name_prefix: "a-",
    scaling_config: { desired_size: 1, max_size: 3, min_size: 1 },
    subnet_ids: ["subnet-0a1b2c3d4e5f60718"],
    update_config: { max_unavailable: 1 },
    version: "1.34",
    launch_template: {
      id: expect.stringMatching(/^\$\{aws_launch_template\.a_template_\w+\.id\}$/),
      version: expect.stringMatching(/^\$\{aws_launch_template\.a_template_\w+\.latest_version\}$/),
    },
    lifecycle: {
      create_before_destroy: true,
      ignore_changes: ["scaling_config[0].desired_size"],
    },
  });
  // The kubelet registers all taints: taints of the EKS API would affect running pods and override the kubelet's.
  expect(only(json, "aws_eks_node_group")).not.toHaveProperty("taint");
  expect(only(json, "aws_launch_template")).toMatchObject({
    metadata_options: {
      http_tokens: "required",
      http_put_response_hop_limit: 1,
    },
    block_device_mappings: [
      {
        device_name: "/dev/xvda",
        ebs: { encrypted: "true", volume_size: 100, volume_type: "gp3" },
      },
    ],
    lifecycle: { create_before_destroy: true },
  });
  // All current types have it anyway, and types such as t2 do not start with it.
  expect(only(json, "aws_launch_template")).not.toHaveProperty("ebs_optimized");
  expect(readMime(userData(json)).parts).toHaveLength(2);
});

test("gives the nodes' role only permissions to join the cluster and to pull images", () => {
  const arns = (json: ReturnType<typeof synth>["json"]) =>
    resources(json, "aws_iam_role_policy_attachment")
      .map((attachment) => String(attachment["policy_arn"]))
      .toSorted();
  const least = [
    "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly",
    "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",
  ];
  expect(arns(group().json)).toEqual(least);
  expect(arns(group({ ssm: true, rolePolicyArns: ["arn:aws:iam::aws:policy/X"] }).json)).toEqual([
    ...least,
    "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
    "arn:aws:iam::aws:policy/X",
  ]);
});

test("keeps the address of a policy when another one is removed from the list", () => {
  const arn = (name: string) => `arn:aws:iam::aws:policy/${name}`;
  const at = (...names: string[]) =>
    addresses(group({ rolePolicyArns: names.map(arn) }).json).filter((one) => one.includes("attachment"));
  expect(at("A", "B")).toEqual(expect.arrayContaining(at("B")));
  expect(at("AmazonEKSWorkerNodePolicy")).toEqual(at());
});

test("creates the group after its role's permissions", () => {
  const { json } = group();
  const waits = only(json, "aws_eks_node_group")["depends_on"] as string[];
  for (const name of Object.keys(json.resource?.["aws_iam_role_policy_attachment"] ?? {})) {
    expect(waits).toContain(`aws_iam_role_policy_attachment.${name}`);
  }
});

test("does not ignore changes of a managed desired size", () => {
  const { json } = group({
    scaling: { min: 0, max: 3, desired: { managed: 2 } },
  });
  expect(only(json, "aws_eks_node_group")).toMatchObject({
    scaling_config: { desired_size: 2 },
    lifecycle: { create_before_destroy: true },
  });
  expect(only(json, "aws_eks_node_group")["lifecycle"]).not.toHaveProperty("ignore_changes");
});

test("tags labels and permanent taints for the autoscaler, but not the startup taint", () => {
  const { json } = group({
    taints: [{ key: "nvidia.com/gpu", value: "present", effect: "NoSchedule" }],
  });
  expect(resources(json, "aws_autoscaling_group_tag").map(({ tag }) => tag)).toEqual([
    {
      key: "k8s.io/cluster-autoscaler/node-template/label/cedana.ai/enabled",
      propagate_at_launch: false,
      value: "true",
    },
    {
      key: "k8s.io/cluster-autoscaler/node-template/taint/nvidia.com/gpu",
      propagate_at_launch: false,
      value: "present:NoSchedule",
    },
  ]);
});

test("tags the stricter effect for the autoscaler if a taint key has two effects", () => {
  const { json } = group({
    taints: [
      { key: "dedicated", value: "ml", effect: "NoSchedule" },
      { key: "dedicated", value: "ml", effect: "NoExecute" },
    ],
  });
  expect(resources(json, "aws_autoscaling_group_tag").map(({ tag }) => tag)).toContainEqual({
    key: "k8s.io/cluster-autoscaler/node-template/taint/dedicated",
    propagate_at_launch: false,
    value: "ml:NoExecute",
  });
  expect(userData(json).match(/key: dedicated/g)).toHaveLength(2);
});

test("sends EKS neither type nor version with a custom image, and writes the cluster into the user data", () => {
  const { json } = group({
    ami: {
      id: "ami-0a1b2c3d4e5f60718",
      kernel: "6.12",
      cgroup: "v2",
      containerd: "2.2",
    },
    preNodeadm: ['#!/bin/bash\necho "${HOME} %{x}"\n'],
  });
  const made = only(json, "aws_eks_node_group");
  expect(made).not.toHaveProperty("ami_type");
  expect(made).not.toHaveProperty("version");
  const template = only(json, "aws_launch_template");
  expect(template["image_id"]).toBe("ami-0a1b2c3d4e5f60718");
  const data = String(template["user_data"]);
  expect(data).toMatch(/^\$\{base64encode\(join\("", \[/);
  expect(data).not.toContain("HOME");
  expect(data).toContain("data.aws_eks_cluster.");
  const literals = [...data.matchAll(/base64decode\("([^"]+)"\)/g)].map((match) =>
    Buffer.from(match[1] ?? "", "base64").toString(),
  );
  expect(literals.join("")).toContain('echo "${HOME} %{x}"');
});

test("writes instance type and market of a capacity block into the launch template", () => {
  const { json } = group({
    instanceTypes: ["p5.48xlarge"],
    capacityType: "CAPACITY_BLOCK",
    capacityReservation: { id: "cr-0a1b2c3d4e5f60718" },
  });
  expect(only(json, "aws_eks_node_group")).toMatchObject({
    ami_type: "AL2023_x86_64_NVIDIA",
    capacity_type: "CAPACITY_BLOCK",
  });
  expect(only(json, "aws_eks_node_group")).not.toHaveProperty("instance_types");
  expect(only(json, "aws_launch_template")).toMatchObject({
    instance_type: "p5.48xlarge",
    instance_market_options: { market_type: "capacity-block" },
    capacity_reservation_specification: {
      capacity_reservation_target: {
        capacity_reservation_id: "cr-0a1b2c3d4e5f60718",
      },
    },
  });
});

test("keeps the cluster's security group when others are added", () => {
  const { json } = group({ securityGroupIds: ["sg-0123456789abcdef0"] });
  const groups = only(json, "aws_launch_template")["vpc_security_group_ids"] as string[];
  expect(groups).toHaveLength(2);
  expect(groups[1]).toBe("sg-0123456789abcdef0");
});

test("passes all other settings to the resources", () => {
  const { json } = group({
    version: "1.33",
    ami: { releaseVersion: "1.33.9-20260714" },
    update: { maxUnavailablePercentage: 25 },
    forceUpdate: true,
    nodeRepair: true,
    tags: { team: "ml" },
    rootVolume: {
      sizeGiB: 200,
      iops: 4000,
      throughputMiBps: 500,
      kmsKeyArn: "arn:aws:kms:eu-west-1:123456789012:key/k",
    },
    metadataOptions: { httpPutResponseHopLimit: 2 },
  });
  expect(only(json, "aws_eks_node_group")).toMatchObject({
    version: "1.33",
    release_version: "1.33.9-20260714",
    update_config: { max_unavailable_percentage: 25 },
    force_update_version: true,
    node_repair_config: { enabled: true },
    tags: { team: "ml" },
  });
  const template = only(json, "aws_launch_template");
  expect(template).toMatchObject({
    block_device_mappings: [
      {
        ebs: {
          volume_size: 200,
          iops: 4000,
          throughput: 500,
          kms_key_id: "arn:aws:kms:eu-west-1:123456789012:key/k",
        },
      },
    ],
    metadata_options: { http_put_response_hop_limit: 2 },
  });
  expect(template["tag_specifications"]).toEqual(
    ["instance", "volume", "network-interface"].map((resource_type) => ({
      resource_type,
      tags: { Name: "a", team: "ml" },
    })),
  );
});

test("writes the same bytes for the same input", () => {
  const props = {
    ...BASE,
    labels: { b: "1", a: "2" },
    sysctls: { "fs.pipe-max-size": "1" },
  };
  expect(JSON.stringify(synth(props).json)).toBe(JSON.stringify(synth(props).json));
});

test("throws all problems at once, with the construct's path", () => {
  expect(() =>
    group({
      instanceTypes: ["m7i.large", "m7g.large"],
      scaling: { min: 3, max: 1 },
    }),
  ).toThrow(/^test\/a: 2 problems/);
});

test("exports role, labels and taints of a group", () => {
  const [made] = group().made;
  expect(made?.startupTaint).toEqual({
    key: "cedana.ai/not-ready",
    value: "true",
    effect: "NoSchedule",
  });
  expect(made?.labels).toEqual({ "cedana.ai/enabled": "true" });
  expect(group({ checkpointing: false }).made[0]?.startupTaint).toBeUndefined();
});
