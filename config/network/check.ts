import { printable, type Problem } from "../schema/problem";
import { isToken } from "../schema/rule";
import { overlap } from "./cidr";
import { isGiven, type ResolvedNetwork } from "./schema";

/** What a network must fulfil beyond its shape. `region` is that of the cluster, where known. */
export function checkNetwork(network: ResolvedNetwork, context: { region?: string } = {}): Problem[] {
  const problems = checkReserved(network);
  if (isGiven(network)) return [...problems, ...repeated(network.privateSubnetIds, ["privateSubnetIds"])];
  if (isToken(network.cidr)) {
    problems.push({
      code: "not-plain",
      path: ["cidr"],
      message: "is known only when Terraform runs, but the blocks of the subnets are cut from it before",
      allowed: "a plain value",
    });
  }
  problems.push(...checkReservedByAws(network.cidr));
  const zones = network.availabilityZones;
  if (typeof zones !== "number") problems.push(...checkZones(zones, context.region));
  if (!network.publicSubnets && network.natGateways !== "none") {
    problems.push({
      code: "nat-without-public-subnets",
      path: ["natGateways"],
      message: "needs public subnets, which are switched off",
      given: printable(network.natGateways),
      allowed: "none, while publicSubnets is false",
      remedy: "set publicSubnets: true, or natGateways: none and name the interfaceEndpoints",
    });
  }
  problems.push(...repeated(network.interfaceEndpoints, ["interfaceEndpoints"]));
  return problems;
}

function checkReserved({ cidr, reservedCidrs }: ResolvedNetwork): Problem[] {
  if (cidr === undefined) return [];
  return reservedCidrs.flatMap((reserved, index) =>
    overlap(cidr, reserved) ? [overlapping(["reservedCidrs", index], reserved, "the VPC's", cidr)] : [],
  );
}

/** Loopback, link-local and multicast addresses, which no VPC can have (Amazon VPC user guide, VPC CIDR blocks). */
const NOT_FOR_VPCS = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4"];

function checkReservedByAws(cidr: string): Problem[] {
  if (!NOT_FOR_VPCS.some((range) => overlap(range, cidr))) return [];
  return [
    {
      code: "reserved-cidr",
      path: ["cidr"],
      message: "is a block that AWS refuses for VPCs",
      given: cidr,
      allowed: "a private block, such as 10.0.0.0/16",
    },
  ];
}

/** The problem of two blocks that share addresses. */
export function overlapping(
  path: Problem["path"],
  block: string,
  whose: string,
  other: string,
  remedy = "choose blocks that share no address",
): Problem {
  return {
    code: "overlapping-cidrs",
    path,
    message: `overlaps with ${whose} block ${other}`,
    given: block,
    allowed: `a block outside ${other}`,
    remedy,
  };
}

function checkZones(zones: readonly string[], region: string | undefined): Problem[] {
  if (isToken(zones)) {
    return [
      {
        code: "not-plain",
        path: ["availabilityZones"],
        message:
          "is a list known only when Terraform runs, but how long it is decides how many subnets are made",
        allowed: "a number, or a list written out, whose items may be known later",
      },
    ];
  }
  const problems = repeated(zones, ["availabilityZones"]);
  if (zones.length < 2 || zones.length > 6) {
    problems.push({
      code: "out-of-range",
      path: ["availabilityZones"],
      message: "has the wrong number of zones",
      given: printable(zones),
      allowed: "2 to 6 zones; EKS places its control plane in at least two",
    });
  }
  if (region === undefined || isToken(region)) return problems;
  for (const [index, zone] of zones.entries()) {
    if (isToken(zone) || zone.startsWith(region)) continue;
    problems.push({
      code: "zone-of-another-region",
      path: ["availabilityZones", index],
      message: "is not a zone of the cluster's region",
      given: zone,
      allowed: `zones of ${region}`,
    });
  }
  return problems;
}

/** One problem for each value that was in the list before. */
export function repeated(values: readonly string[], path: Problem["path"]): Problem[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) < index
      ? [
          {
            code: "duplicate",
            path: [...path, index],
            message: "is in the list twice",
            given: printable(value),
            remedy: "leave one out",
          },
        ]
      : [],
  );
}
