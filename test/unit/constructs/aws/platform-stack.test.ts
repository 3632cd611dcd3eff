import { App } from "cdktf";
import { checkUserData } from "../../../../render/user-data";
import { checkPlatform, readPlatform, type Platform } from "../../../../config/platform/file";
import { InvalidInputError } from "../../../../config/schema/problem";
import { PlatformStack, type PlatformStackProps } from "../../../../stacks/aws";
import { expectGolden } from "../../../support/golden";
import { addresses, only, resources, synthStack } from "../../../support/terraform-json";

const cluster = {
  name: "demo",
  version: "1.34",
  region: "eu-west-1",
  bootstrapClusterCreatorAdminPermissions: true,
} as const;

const existingCluster = { name: "demo", version: "1.34", region: "eu-west-1" } as const;

const OPEN_ENGINE = {
  image: { repository: "registry.example.com/agent", tag: "1" },
  repository: "registry.example.com/checkpoints",
};

const INSTALL = {
  controller: { image: { repository: "registry.example.com/controller", tag: "1" } },
};

const uploader = { namespace: "cedana-system", serviceAccount: "uploader" };

const synth = (props: PlatformStackProps) => synthStack(new PlatformStack(new App(), "platform", props));

function problems(props: object): string[] {
  try {
    new PlatformStack(new App(), "platform", props);
    return [];
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return error.problems.map(({ path, code }) => `${path.join(".")}: ${code}`);
  }
}

test("keeps the addresses in the Terraform state", () => {
  expect.hasAssertions();
  const json = synth({
    cluster,
    network: { availabilityZones: 2 },
    nodeGroups: [{ name: "general", instanceTypes: ["m7i.large"], scaling: { min: 1, max: 2 } }],
    karpenter: {},
    storage: { writers: [uploader], staticKeyUser: true },
    imageRepository: { name: "demo/checkpoints", writers: [uploader] },
  });
  expectGolden("aws/expected/platform-addresses.txt", `${addresses(json).join("\n")}\n`);
});

test("leaves out areas that are undefined", () => {
  const bare = synth({
    cluster,
    existingCluster: undefined,
    nodeGroups: undefined,
    karpenter: undefined,
    storage: undefined,
    imageRepository: undefined,
  });
  expect(bare).toEqual(synth({ cluster }));
  expect(bare.resource).not.toHaveProperty("aws_s3_bucket");
});

test("creates node groups after what nodes need, and coredns after the node groups", () => {
  const group = { instanceTypes: ["m7i.large"], scaling: { min: 1, max: 2 } };
  const json = synth({
    cluster,
    nodeGroups: [
      { name: "a", ...group },
      { name: "b", ...group },
    ],
  });
  const groups = Object.keys(json.resource!["aws_eks_node_group"]!).map(
    (name) => `aws_eks_node_group.${name}`,
  );
  expect(groups).toHaveLength(2);
  const coredns = resources(json, "aws_eks_addon").find((addon) => addon["addon_name"] === "coredns")!;
  expect(coredns["depends_on"]).toEqual(expect.arrayContaining(groups));
  for (const nodes of resources(json, "aws_eks_node_group")) {
    expect(nodes["depends_on"]).toEqual(expect.arrayContaining([expect.stringMatching(/addon-vpc-cni/)]));
  }
});

test("creates one role for a ServiceAccount with several grants", () => {
  const json = synth({
    existingCluster,
    storage: { existingBucket: "theirs", writers: [uploader] },
    imageRepository: { name: "demo/checkpoints", writers: [uploader] },
  });
  expect(resources(json, "aws_eks_pod_identity_association")).toHaveLength(1);
  expect(resources(json, "aws_iam_role_policy")).toHaveLength(2);
});

test("gives pushers no permission to read or delete, and checkers none to push", () => {
  const agent = { namespace: "cedana-system", serviceAccount: "cedana-agent" };
  const check = { namespace: "cedana-system", serviceAccount: "cedana-health-check" };
  const json = synth({
    existingCluster,
    imageRepository: { name: "demo/checkpoints", pushers: [agent], checkers: [check] },
  });
  const policies = resources(json, "aws_iam_role_policy").toSorted(
    (a, b) => String(b["policy"]).length - String(a["policy"]).length,
  );
  const actions = policies.map(({ policy }) =>
    (JSON.parse(String(policy)) as { Statement: { Action: string | string[] }[] }).Statement.flatMap(
      ({ Action }) => Action,
    ),
  );
  expect(actions).toEqual([
    [
      "ecr:GetAuthorizationToken",
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:InitiateLayerUpload",
      "ecr:UploadLayerPart",
      "ecr:CompleteLayerUpload",
      "ecr:PutImage",
    ],
    ["ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability"],
  ]);
});

test("gives the agents of the engine criu access to the platform's ECR repository", () => {
  const file = (engine: string) => `version: 1
existingCluster: { name: demo, version: "1.34", region: eu-west-1 }
imageRepository: { name: checkpoints }
engine: ${engine}
install:
  controller: { image: { repository: registry.example.com/controller, tag: 0.1.0 } }
`;
  const repository = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/checkpoints";
  const image = "{ repository: registry.example.com/agent, tag: 0.1.0 }";
  const given = (engine: string) => {
    const { platform } = readPlatform(file(engine)) as { platform: Platform };
    const { pushers, checkers } = platform.imageRepository!;
    return [pushers, checkers].map((all) => all.map(({ serviceAccount }) => serviceAccount));
  };
  expect(given(`{ image: ${image}, repository: ${repository} }`)).toEqual([
    ["cedana-agent"],
    ["cedana-health-check"],
  ]);
  expect(
    given(`{ image: ${image}, repository: ${repository}, registryCredentials: { name: push } }`),
  ).toEqual([[], []]);
});

test("writes outputs for the Kubernetes side, without secrets", () => {
  const json = synth({
    existingCluster,
    karpenter: {},
    storage: { writers: [uploader], staticKeyUser: true },
    imageRepository: { name: "demo/checkpoints" },
  });
  expect(Object.keys(json.output!)).toEqual([
    "checkpoint_bucket",
    "checkpoint_prefix",
    "checkpoint_url",
    "checkpoint_user",
    "cluster_certificate_authority",
    "cluster_endpoint",
    "cluster_name",
    "cluster_region",
    "cluster_security_group_id",
    "image_repository_url",
    "karpenter_interruption_queue",
    "karpenter_node_role",
    "pod_identity_role_arns",
  ]);
  expect(json.resource).not.toHaveProperty("aws_iam_access_key");
});

test("writes tags and the state backend", () => {
  const json = synth({
    cluster,
    terraform: { tags: { team: "ml" }, backend: { bucket: "states", region: "eu-west-1" } },
  });
  expect(json.provider!["aws"]).toEqual([{ default_tags: [{ tags: { team: "ml" } }], region: "eu-west-1" }]);
  expect(json.terraform!.backend).toEqual({
    s3: {
      bucket: "states",
      region: "eu-west-1",
      key: `eu-west-1/${cluster.name}/platform.tfstate`,
      encrypt: true,
      use_lockfile: true,
    },
  });
});

test("sets tags on instances, to which the provider's default tags do not apply", () => {
  const nodes = { instanceTypes: ["m7i.large"], scaling: { min: 1, max: 1 }, tags: { team: "web" } };
  const json = synth({
    existingCluster,
    terraform: { tags: { team: "ml", cost: "7" } },
    nodeGroups: [{ name: "a", ...nodes }],
  });
  expect(only(json, "aws_launch_template")["tag_specifications"]).toContainEqual({
    resource_type: "instance",
    tags: { Name: "a", team: "web", cost: "7" },
  });
  expect(problems({ existingCluster, terraform: { tags: { "aws:x": "1" } } })).toEqual([
    "terraform.tags.aws:x: invalid-tag-key",
  ]);
});

test("derives the name of the storage user from the region, within IAM's limit", () => {
  const user = (change: object) =>
    only(
      synth({ existingCluster: { ...existingCluster, ...change }, storage: { staticKeyUser: true } }),
      "aws_iam_user",
    )["name"];
  expect(user({})).toBe("demo-eu-west-1-checkpoints");
  expect(user({ region: "eu-north-1" })).toBe("demo-eu-north-1-checkpoints");
  expect(user({ name: "a".repeat(100) })).toHaveLength(64);
});

test("stores the state of a local backend at its path", () => {
  const json = synth({ existingCluster, terraform: { backend: { path: "terraform.tfstate" } } });
  expect(json.terraform!.backend).toEqual({ local: { path: "terraform.tfstate" } });
});

test("uses given subnets for the cluster and creates no VPC", () => {
  const privateSubnetIds = ["subnet-0a1b2c3d", "subnet-0b1b2c3d"];
  const json = synth({ cluster, network: { vpcId: "vpc-0a1b2c3d", privateSubnetIds } });
  expect(json.resource).not.toHaveProperty("aws_vpc");
  expect(only(json, "aws_eks_cluster")).toMatchObject({ vpc_config: { subnet_ids: privateSubnetIds } });
});

test("writes the same bytes for the same input", () => {
  const props = { cluster, storage: { writers: [uploader] } };
  expect(JSON.stringify(synth(props))).toBe(JSON.stringify(synth(props)));
});

test.each<[object, string[]]>([
  [{}, [": empty-platform"]],
  [{ engine: OPEN_ENGINE, install: INSTALL }, [": cluster-missing"]],
  [{ cluster, nodeGroup: [] }, ["nodeGroup: unknown-key"]],
  [{ cluster, existingCluster }, ["existingCluster: two-clusters"]],
  [{ existingCluster, network: {} }, ["network: without-effect"]],
  [{ cluster, network: { cidr: "172.20.0.0/16" } }, ["cluster.serviceIpv4Cidr: overlapping-cidrs"]],
  [
    {
      cluster: { ...cluster, version: "1.12" },
      network: { cdr: "x" },
      nodeGroups: [{ nam: "a" }],
      storage: { expireDays: -1 },
    },
    [
      "cluster.version: unsupported-version",
      "network.cdr: unknown-key",
      "nodeGroups.0.name: missing",
      "nodeGroups.0.scaling: missing",
      "nodeGroups.0.instanceTypes: missing",
      "nodeGroups.0.nam: unknown-key",
      "storage.expireDays: out-of-range",
    ],
  ],
])("reports all problems of %j at once", (props, expected) => expect(problems(props)).toEqual(expected));

const LATER = "${TfToken[TOKEN.3]}";
const twice = [uploader, uploader];
const later = [{ namespace: LATER, serviceAccount: "x" }];
const entry = { name: LATER, principalArn: LATER, policies: [{ policy: LATER }] };

test.each<[string, object, string[]]>([
  ["one ServiceAccount twice", { storage: { writers: twice } }, ["storage.writers: duplicate"]],
  [
    "a ServiceAccount that only Terraform knows",
    { storage: { readers: later } },
    ["storage.readers: unresolved-token"],
  ],
  [
    "zones that only Terraform knows",
    { network: { availabilityZones: ["#{TfToken[TOKEN.4]}"] } },
    ["network.availabilityZones: unresolved-token"],
  ],
  [
    "the ServiceAccount of Karpenter, which already has a role",
    { karpenter: {}, storage: { writers: [{ namespace: "kube-system", serviceAccount: "karpenter" }] } },
    ["storage.writers.0: duplicate-pod-identity"],
  ],
  ["a VPC block that only Terraform knows", { network: { cidr: LATER } }, ["network.cidr: unresolved-token"]],
  [
    "an access entry with name and policy that only Terraform knows",
    { cluster: { ...cluster, accessEntries: [entry] } },
    [
      "cluster.accessEntries.0.name: unresolved-token",
      "cluster.accessEntries.0.policies.0.policy: unresolved-token",
    ],
  ],
  [
    "a group's name that only Terraform knows",
    { nodeGroups: [{ name: LATER, instanceTypes: ["m7i.large"], scaling: { min: 1, max: 1 } }] },
    ["nodeGroups.0.name: unresolved-token"],
  ],
  [
    "a cluster name that only Terraform knows, and a state in a bucket without a key",
    {
      cluster: { ...cluster, name: LATER },
      terraform: { backend: { bucket: "states", region: "eu-west-1" } },
    },
    ["terraform.backend.key: missing"],
  ],
  [
    "a role name that is too long because of the cluster name, together with other problems",
    { cluster: { ...cluster, name: "a".repeat(60) }, karpenter: {}, storage: { expireDays: 0 } },
    ["storage.expireDays: out-of-range", "karpenter.nodeRoleName: name-too-long"],
  ],
])("%s is reported before any construct is created", (_, props, expected) =>
  expect(problems({ cluster, ...props })).toEqual(expected),
);

test("gives readers and writers with similar names separate addresses", () => {
  const storage = {
    writers: [{ namespace: "x", serviceAccount: "y" }],
    readers: [
      { namespace: "write-x", serviceAccount: "y" },
      { namespace: "x", serviceAccount: "y" },
    ],
  };
  expect(problems({ cluster, storage })).toEqual([]);
});

test("reports problems of the nodes together with those of the cluster", () => {
  const nodeGroups = [{ name: "a", instanceTypes: ["m7i.large"], scaling: { min: 5, max: 1 } }];
  expect(problems({ cluster: { ...cluster, name: "no name" }, nodeGroups })).toEqual([
    "cluster.name: invalid-cluster-name",
    expect.stringMatching(/^nodeGroups\.0\.scaling/),
  ]);
});

test.each<[string, object]>([
  [
    "writers with Karpenter's ServiceAccount",
    { karpenter: {}, storage: { writers: [{ namespace: "kube-system", serviceAccount: "karpenter" }] } },
  ],
  [
    "subnet ids in a network that is created",
    {
      nodeGroups: [
        {
          name: "a",
          instanceTypes: ["m7i.large"],
          scaling: { min: 1, max: 1 },
          subnetIds: ["subnet-0a1b2c3d"],
        },
      ],
    },
  ],
  ["an existing cluster and a new one", { existingCluster }],
  ["an unknown area", { nodeGroup: [] }],
  [
    "user data that EC2 would reject",
    {
      nodeGroups: [
        {
          name: "a",
          instanceTypes: ["m7i.large"],
          scaling: { min: 1, max: 1 },
          preNodeadm: [`#!/bin/sh\n${"# padding\n".repeat(2000)}`],
        },
      ],
    },
  ],
])("reports the same problems for the stack and for cedana.yaml: %s", (_, props) => {
  const inFile = checkPlatform({ version: 1, cluster, ...props }, checkUserData).problems;
  expect(inFile).not.toEqual([]);
  expect(problems({ cluster, ...props })).toEqual(
    inFile.map(({ path, code }) => `${path.join(".")}: ${code}`),
  );
});

test("accepts references to other stacks in several areas", () => {
  const later = "${TfToken[TOKEN.7]}";
  expect(
    problems({
      cluster,
      network: { vpcId: later, privateSubnetIds: [later, "${TfToken[TOKEN.8]}"] },
      nodeGroups: [
        { name: "a", instanceTypes: ["m7i.large"], scaling: { min: 1, max: 1 }, subnetIds: [later] },
      ],
      storage: { existingBucket: later },
      engine: OPEN_ENGINE,
      install: INSTALL,
    }),
  ).toEqual([]);
});
