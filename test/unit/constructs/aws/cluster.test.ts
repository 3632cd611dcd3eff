import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { App, TerraformStack } from "cdktf";
import { Cluster, type ClusterProps } from "../../../../constructs/aws/cluster";
import { Network } from "../../../../constructs/aws/network";
import {
  checkAddressing,
  checkCluster,
  clusterSchema,
  existingClusterSchema,
  resolveAddons,
  type ClusterSpec,
} from "../../../../config/cluster";
import { networkSchema } from "../../../../config/network";
import { formatProblem } from "../../../../config/schema/problem";
import { check, resolve } from "../../../../config/schema";
import { only, resources, synthStack } from "../../../support/terraform-json";

const spec: ClusterSpec = {
  name: "demo",
  version: "1.34",
  region: "eu-west-1",
  accessEntries: [
    {
      name: "admins",
      principalArn: "arn:aws:iam::123456789012:role/Admin",
      policies: [{ policy: "AmazonEKSClusterAdminPolicy" }],
    },
  ],
};

function build(props: Partial<ClusterProps> = {}) {
  const stack = new TerraformStack(new App(), "test");
  const network = Network.fromAttributes(stack, "network", {
    vpcId: "vpc-0a1b2c3d",
    privateSubnetIds: ["subnet-0a1b2c3d", "subnet-0b1b2c3d"],
  });
  const cluster = new Cluster(stack, "cluster", { ...spec, network, ...props });
  return { stack, cluster, json: () => synthStack(stack) };
}

const problems = (change: object) =>
  check(clusterSchema, { ...spec, ...change }, checkCluster).problems?.map(formatProblem);

test("creates a cluster with secure defaults", () => {
  const json = build().json();
  expect(only(json, "aws_eks_cluster")).toMatchObject({
    bootstrap_self_managed_addons: false,
    deletion_protection: true,
    access_config: {
      authentication_mode: "API",
      bootstrap_cluster_creator_admin_permissions: false,
    },
    vpc_config: { endpoint_private_access: true, endpoint_public_access: false },
    encryption_config: { resources: ["secrets"] },
    enabled_cluster_log_types: ["api", "audit", "authenticator"],
  });
  expect(only(json, "aws_kms_key")).toMatchObject({ enable_key_rotation: true });
});

test("creates the log group with its retention before the cluster", () => {
  const json = build().json();
  expect(only(json, "aws_cloudwatch_log_group")).toEqual({
    name: "/aws/eks/demo/cluster",
    retention_in_days: 90,
  });
  expect(only(json, "aws_eks_cluster")["depends_on"]).toEqual([
    expect.stringMatching(/^aws_iam_role_policy_attachment\./),
    expect.stringMatching(/^aws_iam_role_policy\./),
    expect.stringMatching(/^aws_cloudwatch_log_group\./),
  ]);
});

test("creates no log group without logs", () => {
  expect(build({ enabledLogTypes: [] }).json().resource).not.toHaveProperty("aws_cloudwatch_log_group");
});

test("uses a given KMS key and creates none", () => {
  const kmsKeyArn = "arn:aws:kms:eu-west-1:123456789012:key/1";
  const json = build({ kmsKeyArn }).json();
  expect(json.resource).not.toHaveProperty("aws_kms_key");
  expect(only(json, "aws_eks_cluster")).toMatchObject({
    encryption_config: { provider: { key_arn: kmsKeyArn } },
  });
});

test("creates nodes after the add-ons that they need to become Ready, which depend on access entries and cluster", () => {
  const { cluster } = build();
  const early = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"].map((name) => cluster.addons.get(name));
  expect(cluster.beforeNodes).toEqual(early);
});

test("creates nodes after access entries and cluster if there are no early add-ons", () => {
  const late = { beforeNodes: false };
  const { cluster } = build({
    addons: { "vpc-cni": false, "kube-proxy": false, "eks-pod-identity-agent": late },
  });
  const [access] = cluster.access;
  expect(cluster.beforeNodes).toEqual([cluster.resource, access!.entry]);
});

test("destroys access entries last, because every add-on depends on them", () => {
  for (const addon of resources(build().json(), "aws_eks_addon")) {
    expect(addon["depends_on"]).toContainEqual(expect.stringMatching(/^aws_eks_access_entry\./));
  }
});

// A node group is created before its predecessor is destroyed, and Terraform then does the same for its dependencies.
// For an association with another scope this would delete the new one, because EKS regards both as the same.
test("lets nodes depend on no policy of an access entry, directly or indirectly", () => {
  const waiting = resources(build().json(), "aws_eks_addon")
    .filter((addon) => JSON.stringify(addon["depends_on"]).includes("aws_eks_access_policy_association"))
    .map((addon) => addon["addon_name"]);
  expect(waiting).toEqual(["coredns"]);
});

test("creates coredns after the nodes, if there are any, and the CNI before them", () => {
  const { stack, cluster, json } = build();
  const nodes = new IamRole(stack, "stands-for-nodes", { assumeRolePolicy: "{}" });
  cluster.afterNodes(nodes);
  const waiting = resources(json(), "aws_eks_addon")
    .filter((addon) => (addon["depends_on"] as string[]).includes("aws_iam_role.stands-for-nodes"))
    .map((addon) => addon["addon_name"]);
  expect(waiting).toEqual(["coredns"]);
});

test("lets CoreDNS tolerate the startup taint, because the controller that removes it needs name resolution", () => {
  const tolerations = (configuration?: Record<string, unknown>) => {
    const addons: ClusterSpec["addons"] = configuration ? { coredns: { configuration } } : {};
    const coredns = resources(build({ addons }).json(), "aws_eks_addon").find(
      (one) => one["addon_name"] === "coredns",
    );
    return JSON.parse(coredns!["configuration_values"] as string).tolerations;
  };
  const startup = { key: "cedana.ai/not-ready", operator: "Exists", effect: "NoSchedule" };
  expect(tolerations()).toContainEqual(startup);
  expect(tolerations({ replicaCount: 3 })).toContainEqual(startup);
  expect(tolerations({ tolerations: [] })).toEqual([]);
});

test("gives the CNI a separate role by Pod Identity", () => {
  const addon = resources(build().json(), "aws_eks_addon").find((one) => one["addon_name"] === "vpc-cni");
  expect(addon!["pod_identity_association"]).toEqual([
    { role_arn: expect.stringMatching(/aws_iam_role\.cluster_vpc-cni-role/), service_account: "aws-node" },
  ]);
});

test("with IPv6 sets no IPv4 service block, and allows the CNI to assign IPv6 prefixes", () => {
  const { cluster, json } = build({ ipFamily: "ipv6" });
  expect(only(json(), "aws_eks_cluster")["kubernetes_network_config"]).toEqual({ ip_family: "ipv6" });
  const policies = resources(json(), "aws_iam_role_policy").map((policy) => policy["policy"] as string);
  expect(policies.some((policy) => policy.includes("ec2:AssignIpv6Addresses"))).toBe(true);
  expect(cluster.serviceCidr).not.toBe("172.20.0.0/16");
});

test("writes policy names as ARNs of the region's partition, and the namespaces of limited policies", () => {
  const accessEntries = [
    {
      name: "team",
      principalArn: "arn:aws-us-gov:iam::123456789012:role/Team",
      kubernetesGroups: ["team"],
      policies: [{ policy: "AmazonEKSEditPolicy", namespaces: ["team-a"] }],
    },
  ];
  const json = build({ region: "us-gov-west-1", accessEntries }).json();
  expect(only(json, "aws_eks_access_policy_association")).toMatchObject({
    policy_arn: "arn:aws-us-gov:eks::aws:cluster-access-policy/AmazonEKSEditPolicy",
    access_scope: { type: "namespace", namespaces: ["team-a"] },
  });
  expect(only(json, "aws_eks_access_entry")).toMatchObject({ kubernetes_groups: ["team"], type: "STANDARD" });
});

test("adds given add-ons to the four defaults, removes one with false, and writes configuration as JSON", () => {
  const json = build({
    addons: {
      coredns: false,
      "aws-ebs-csi-driver": {
        version: "v1.50.0-eksbuild.1",
        configuration: { controller: { replicaCount: 1 } },
      },
    },
  }).json();
  const addons = resources(json, "aws_eks_addon");
  expect(addons.map((addon) => addon["addon_name"])).toEqual([
    "aws-ebs-csi-driver",
    "eks-pod-identity-agent",
    "kube-proxy",
    "vpc-cni",
  ]);
  expect(addons[0]).toMatchObject({
    addon_version: "v1.50.0-eksbuild.1",
    configuration_values: '{"controller":{"replicaCount":1}}',
  });
});

test("sorts add-ons independently of the input order", () => {
  const addon = { podIdentityAssociations: [] };
  const names = resolveAddons({ z: addon, a: addon, early: { ...addon, beforeNodes: true } }).map(
    ({ name }) => name,
  );
  expect(names).toEqual(["vpc-cni", "kube-proxy", "eks-pod-identity-agent", "early", "coredns", "a", "z"]);
});

test("looks an existing cluster up once, and not at all if all attributes are given", () => {
  const stack = new TerraformStack(new App(), "test");
  const known = Cluster.fromAttributes(stack, "known", {
    name: "demo",
    version: "1.33",
    region: "eu-west-1",
    endpoint: "https://demo",
    certificateAuthority: "QUJD".repeat(12),
    serviceCidr: "10.100.0.0/16",
    securityGroupId: "sg-0a1b2c3d",
    subnetIds: ["subnet-0a1b2c3d"],
  });
  expect([known.endpoint, known.serviceCidr, known.securityGroupId, known.subnetIds]).toEqual([
    "https://demo",
    "10.100.0.0/16",
    "sg-0a1b2c3d",
    ["subnet-0a1b2c3d"],
  ]);
  expect(synthStack(stack).data).toBeUndefined();
  const looked = Cluster.fromAttributes(stack, "looked-up", {
    name: "x",
    version: "1.33",
    region: "eu-west-1",
  });
  expect([looked.endpoint, looked.certificateAuthority, looked.subnetIds].every(Boolean)).toBe(true);
  expect(Object.keys(synthStack(stack).data!["aws_eks_cluster"]!)).toHaveLength(1);
});

test("rejects invalid clusters with these messages", () => {
  expect(problems({ endpointPrivateAccess: false })).toHaveLength(1);
  expect(problems({ endpointPublicAccess: true })).toEqual([
    'publicAccessCidrs  is required with endpointPublicAccess; allowed: at least one CIDR block; list the networks that may reach the API; ["0.0.0.0/0"] opens it to the whole internet',
  ]);
  expect(problems({ endpointPublicAccess: true, publicAccessCidrs: ["0.0.0.0/0"] })).toBeUndefined();
  expect(problems({ publicAccessCidrs: ["203.0.113.0/24"] })).toHaveLength(1);
  const ipv6 = { endpointPublicAccess: true, publicAccessCidrs: ["2001:db8::/32"] };
  expect(problems(ipv6)).toHaveLength(1);
  expect(problems({ ...ipv6, ipFamily: "ipv6" })).toBeUndefined();
  expect(problems({ region: "us-iso-east-1" })).toHaveLength(1);
  expect(problems({ accessEntries: [] })).toEqual([
    "accessEntries  is empty: no principal would have access to the Kubernetes API; allowed: at least one entry; add your role with the policy AmazonEKSClusterAdminPolicy, or set bootstrapClusterCreatorAdminPermissions: true",
  ]);
  expect(problems({ accessEntries: [], bootstrapClusterCreatorAdminPermissions: true })).toBeUndefined();
  expect(problems({ accessEntries: [...spec.accessEntries!, ...spec.accessEntries!] })).toEqual([
    'accessEntries[1].name  is already used by an earlier entry; given: "admins"; merge the groups and policies of one principal into one entry',
    'accessEntries[1].principalArn  is already used by an earlier entry; given: "arn:aws:iam::123456789012:role/Admin"; merge the groups and policies of one principal into one entry',
  ]);
  const entry = { ...spec.accessEntries![0], kubernetesGroups: ["system:masters"] };
  expect(problems({ accessEntries: [entry] })).toHaveLength(1);
  expect(problems({ serviceIpv4Cidr: "100.64.0.0/16" })).toHaveLength(1);
  expect(problems({ serviceIpv4Cidr: "10.100.0.0/16", ipFamily: "ipv6" })).toHaveLength(1);
  expect(problems({ version: "1.37" })).toBeUndefined();
  expect(problems({ version: "1.38" })).toEqual([
    'version  is not a supported Kubernetes version; given: "1.38"; allowed: 1.32 to 1.37, in quotes, without a patch number',
  ]);
  expect(problems({ version: 1.34 })).toEqual([
    'version  is not a string; given: 1.34; allowed: a string; quote it: "1.34"',
  ]);
  expect(problems({ addons: { coredns: { beforeNodes: true } } })).toHaveLength(1);
  expect(problems({ addons: { "eks-pod-identity-agent": false } })).toHaveLength(1);
  expect(problems({ region: "${TfToken[TOKEN.1]}" })).toHaveLength(1);
  expect(problems({ logRetentionDays: 91 })).toHaveLength(1);
});

test.each(["1.30", "1.31"])("rejects %s, whose extended support has ended, with a remedy", (version) => {
  const existing = { name: "demo", region: "eu-west-1", version };
  const message = `version  is a Kubernetes version that EKS no longer supports; given: "${version}"; allowed: 1.32 to 1.37, in quotes, without a patch number`;
  expect(problems({ version })).toEqual([
    `${message}; choose a newer version: EKS does not create clusters with this one`,
  ]);
  expect(check(existingClusterSchema, existing).problems?.map(formatProblem)).toEqual([
    `${message}; upgrade the cluster (aws eks update-cluster-version), then set its new version: EKS publishes no node image for this one`,
  ]);
});

test("rejects overlapping blocks of Services, VPC and reserved networks", () => {
  const overlaps = (cluster: object, network: object) =>
    checkAddressing(
      resolve("cluster", clusterSchema, { ...spec, ...cluster }),
      resolve("network", networkSchema, network),
    ).map(formatProblem);
  expect(overlaps({}, {})).toEqual([]);
  expect(overlaps({}, { cidr: "172.20.0.0/16" })).toEqual([
    "cluster.serviceIpv4Cidr  overlaps with the VPC CIDR block 172.20.0.0/16; given: 172.20.0.0/16; allowed: a CIDR block outside 172.20.0.0/16; choose blocks that do not overlap",
  ]);
  expect(overlaps({ serviceIpv4Cidr: "10.0.0.0/24" }, {})).toHaveLength(1);
  expect(overlaps({}, { reservedCidrs: ["172.16.0.0/12"] })).toHaveLength(1);
  expect(overlaps({ ipFamily: "ipv6" }, { cidr: "172.20.0.0/16" })).toEqual([]);
});
