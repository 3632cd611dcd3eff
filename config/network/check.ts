import { printable, type Problem } from "../schema/problem";
import { isToken } from "../schema/rule";
import { overlap } from "./cidr";
import { isExistingNetwork, type ResolvedNetwork } from "./schema";

/** Checks a network across several properties. `region` is that of the cluster, if known. */
export function checkNetwork(network: ResolvedNetwork, context: { region?: string } = {}): Problem[] {
  const problems = checkReserved(network);
  if (isExistingNetwork(network))
    return [...problems, ...repeated(network.privateSubnetIds, ["privateSubnetIds"])];
  if (isToken(network.cidr)) {
    problems.push({
      code: "unresolved-token",
      path: ["cidr"],
      message: "is a Terraform token, but the subnets are derived from its value",
      allowed: "a literal value",
    });
  }
  problems.push(...checkReservedByAws(network.cidr));
  const zones = network.availabilityZones;
  if (typeof zones !== "number") problems.push(...checkZones(zones, context.region));
  if (!network.publicSubnets && network.natGateways !== "none") {
    problems.push({
      code: "nat-without-public-subnets",
      path: ["natGateways"],
      message: "requires public subnets, which are disabled",
      given: printable(network.natGateways),
      allowed: "none with publicSubnets: false",
      remedy: "set publicSubnets: true, or set natGateways: none and list the interfaceEndpoints",
    });
  }
  problems.push(...repeated(network.interfaceEndpoints, ["interfaceEndpoints"]));
  return problems;
}

function checkReserved({ cidr, reservedCidrs }: ResolvedNetwork): Problem[] {
  if (cidr === undefined) return [];
  return reservedCidrs.flatMap((reserved, index) =>
    overlap(cidr, reserved) ? [overlapping(["reservedCidrs", index], reserved, "VPC", cidr)] : [],
  );
}

/** Loopback, link-local and multicast ranges, which a VPC cannot use (Amazon VPC user guide, VPC CIDR blocks). */
const NON_VPC_RANGES = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4"];

function checkReservedByAws(cidr: string): Problem[] {
  if (!NON_VPC_RANGES.some((range) => overlap(range, cidr))) return [];
  return [
    {
      code: "reserved-cidr",
      path: ["cidr"],
      message: "is a CIDR block that AWS does not allow for VPCs",
      given: cidr,
      allowed: "a private CIDR block, such as 10.0.0.0/16",
    },
  ];
}

/**
 * Returns the problem of two CIDR blocks that overlap.
 * @param owner what the other block is of, such as `VPC`
 */
export function overlapping(
  path: Problem["path"],
  block: string,
  owner: string,
  other: string,
  remedy = "choose blocks that do not overlap",
): Problem {
  return {
    code: "overlapping-cidrs",
    path,
    message: `overlaps with the ${owner} CIDR block ${other}`,
    given: block,
    allowed: `a CIDR block outside ${other}`,
    remedy,
  };
}

function checkZones(zones: readonly string[], region: string | undefined): Problem[] {
  if (isToken(zones)) {
    return [
      {
        code: "unresolved-token",
        path: ["availabilityZones"],
        message: "is a Terraform token, but its length determines the number of subnets",
        allowed: "a number, or a list whose items may be tokens",
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
      code: "zone-region-mismatch",
      path: ["availabilityZones", index],
      message: "is not a zone of the cluster's region",
      given: zone,
      allowed: `zones of ${region}`,
    });
  }
  return problems;
}

/** Returns a problem for each value that occurs earlier in the list. */
export function repeated(values: readonly string[], path: Problem["path"]): Problem[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) < index
      ? [
          {
            code: "duplicate",
            path: [...path, index],
            message: "is already in the list",
            given: printable(value),
            remedy: "remove one of them",
          },
        ]
      : [],
  );
}
