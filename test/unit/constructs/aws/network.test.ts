import { App, TerraformStack } from "cdktf";
import { Network, type NetworkProps } from "../../../../constructs/aws/network";
import { checkNetwork, networkSchema } from "../../../../config/network";
import { formatProblem } from "../../../../config/schema/problem";
import { check } from "../../../../config/schema";
import { only, resources, synthStack } from "../../../support/terraform-json";

function synth(props: Partial<NetworkProps> = {}) {
  const stack = new TerraformStack(new App(), "test");
  new Network(stack, "network", { clusterName: "demo", region: "eu-west-1", ...props });
  return synthStack(stack);
}

const problems = (input: unknown, region?: string) =>
  check(networkSchema, input, (value) => checkNetwork(value, { region })).problems?.map(formatProblem);

test("creates three zones, each with its own NAT gateway", () => {
  const json = synth();
  expect(resources(json, "aws_subnet").map((subnet) => subnet["cidr_block"])).toEqual([
    "10.0.0.0/19",
    "10.0.32.0/19",
    "10.0.64.0/19",
    "10.0.224.0/22",
    "10.0.228.0/22",
    "10.0.232.0/22",
  ]);
  expect(resources(json, "aws_nat_gateway")).toHaveLength(3);
  const routes = resources(json, "aws_route")
    .map((route) => route["nat_gateway_id"])
    .filter(Boolean);
  expect(new Set(routes).size).toBe(3);
});

test("creates NAT gateways after the route to the internet", () => {
  const json = synth({ natGateways: "one" });
  expect(only(json, "aws_nat_gateway")["depends_on"]).toEqual(
    expect.arrayContaining([expect.stringMatching(/^aws_route\.network_public-ipv4/)]),
  );
  expect(resources(json, "aws_route")).toHaveLength(4);
});

test("tags private subnets for Karpenter and internal load balancers, and public ones for other load balancers", () => {
  const subnets = resources(synth(), "aws_subnet").map((subnet) => subnet["tags"]);
  expect(subnets[0]).toEqual({
    Name: "demo-private-0",
    "kubernetes.io/role/internal-elb": "1",
    "karpenter.sh/discovery": "demo",
  });
  expect(subnets[3]).toEqual({ Name: "demo-public-0", "kubernetes.io/role/elb": "1" });
});

test("writes no inline routes, so that other configurations can add routes to the tables", () => {
  for (const table of resources(synth({ ipFamily: "ipv6" }), "aws_route_table")) {
    expect(table).not.toHaveProperty("route");
  }
});

test("looks up no zones if their names are given", () => {
  const json = synth({ availabilityZones: ["eu-west-1c", "eu-west-1a"] });
  expect(json.data).toBeUndefined();
  expect(resources(json, "aws_subnet").map((subnet) => subnet["availability_zone"])).toEqual([
    "eu-west-1c",
    "eu-west-1a",
    "eu-west-1c",
    "eu-west-1a",
  ]);
});

test("excludes local and opt-in zones if a number of zones is given", () => {
  const zones = Object.values(synth().data!["aws_availability_zones"]!)[0];
  expect(zones).toMatchObject({ filter: [{ name: "opt-in-status", values: ["opt-in-not-required"] }] });
});

test("with IPv6 gives every subnet its own block, and private ones an egress-only gateway", () => {
  const json = synth({ ipFamily: "ipv6" });
  const blocks = resources(json, "aws_subnet").map((subnet) => subnet["ipv6_cidr_block"]);
  expect(new Set(blocks).size).toBe(6);
  expect(blocks[3]).toMatch(/^\$\{cidrsubnet\(aws_vpc\.[\w-]+\.ipv6_cidr_block, 8, 8\)\}$/);
  const egress = resources(json, "aws_route").filter((route) => "egress_only_gateway_id" in route);
  expect(egress).toHaveLength(3);
  expect(egress[0]).toMatchObject({ destination_ipv6_cidr_block: "::/0" });
});

test("creates endpoints that only the VPC can use in a network without internet access", () => {
  const json = synth({ natGateways: "none", publicSubnets: false, interfaceEndpoints: ["ecr.api", "sts"] });
  expect(json.resource).not.toHaveProperty("aws_internet_gateway");
  expect(resources(json, "aws_route")).toEqual([]);
  expect(resources(json, "aws_vpc_endpoint").map((endpoint) => endpoint["service_name"])).toEqual([
    "com.amazonaws.eu-west-1.ecr.api",
    "com.amazonaws.eu-west-1.sts",
    "com.amazonaws.eu-west-1.s3",
  ]);
  expect(only(json, "aws_vpc_security_group_ingress_rule")).toMatchObject({
    from_port: 443,
    to_port: 443,
    cidr_ipv4: "10.0.0.0/16",
  });
});

test("creates nothing if subnets are given", () => {
  const stack = new TerraformStack(new App(), "test");
  const network = Network.fromAttributes(stack, "network", {
    vpcId: "vpc-0a1b2c3d",
    privateSubnetIds: ["subnet-0a1b2c3d", "subnet-0b1b2c3d"],
  });
  expect(network).toEqual({
    vpcId: "vpc-0a1b2c3d",
    privateSubnetIds: ["subnet-0a1b2c3d", "subnet-0b1b2c3d"],
    publicSubnetIds: [],
    ready: [],
  });
  expect(synthStack(stack).resource).toBeUndefined();
});

test("rejects invalid networks with these messages", () => {
  expect(problems({ cidr: "10.0.0.0/16", reservedCidrs: ["192.168.0.0/24", "10.0.8.0/24"] })).toEqual([
    "reservedCidrs[1]  overlaps with the VPC CIDR block 10.0.0.0/16; given: 10.0.8.0/24; allowed: a CIDR block outside 10.0.0.0/16; choose blocks that do not overlap",
  ]);
  expect(problems({ publicSubnets: false })).toEqual([
    'natGateways  requires public subnets, which are disabled; given: "perZone"; allowed: none with publicSubnets: false; set publicSubnets: true, or set natGateways: none and list the interfaceEndpoints',
  ]);
  expect(problems({ availabilityZones: ["eu-west-1a", "eu-west-1a"] })).toEqual([
    'availabilityZones[1]  is already in the list; given: "eu-west-1a"; remove one of them',
  ]);
  expect(problems({ availabilityZones: ["eu-west-1a"] })).toHaveLength(1);
  expect(problems({ availabilityZones: ["eu-west-1a", "eu-west-2a"] }, "eu-west-1")).toEqual([
    "availabilityZones[1]  is not a zone of the cluster's region; given: eu-west-2a; allowed: zones of eu-west-1",
  ]);
  expect(problems({ vpcId: "vpc-0a1b2c3d", privateSubnetIds: ["subnet-0a1b2c3d"] })).toHaveLength(1);
  expect(
    problems({ vpcId: "vpc-0a1b2c3d", privateSubnetIds: ["subnet-0a1b2c3d", "subnet-0a1b2c3d"] }),
  ).toEqual(['privateSubnetIds[1]  is already in the list; given: "subnet-0a1b2c3d"; remove one of them']);
});

test("uses the endpoint service names of the region", () => {
  const names = (region: string, ...interfaceEndpoints: string[]) => {
    const stack = new TerraformStack(new App(), "test");
    new Network(stack, "network", { clusterName: "demo", region, interfaceEndpoints });
    const made = resources(synthStack(stack), "aws_vpc_endpoint");
    return new Set(made.map((one) => one["service_name"]));
  };
  expect(names("eu-west-1", "ecr.api")).toEqual(
    new Set(["com.amazonaws.eu-west-1.ecr.api", "com.amazonaws.eu-west-1.s3"]),
  );
  expect(names("cn-north-1", "ecr.api", "logs", "com.amazonaws.cn-north-1.x")).toEqual(
    new Set([
      "cn.com.amazonaws.cn-north-1.ecr.api",
      "com.amazonaws.cn-north-1.logs",
      "com.amazonaws.cn-north-1.s3",
      "com.amazonaws.cn-north-1.x",
    ]),
  );
});
