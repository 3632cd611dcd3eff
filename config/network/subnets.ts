import { formatIpv4Block, parseIpv4Block, subBlock } from "./cidr";

/** IPv4 blocks of the subnets of one availability zone. */
export interface ZoneSubnets {
  readonly private: string;
  readonly public: string;
}

/** Prefix lengths of a VPC that leave public subnets at least AWS's smallest, /28. */
export const VPC_PREFIX = { shortest: 16, longest: 22 } as const;

/** More than any region has. */
export const MAX_ZONES = 6;

/**
 * Where the subnets of each zone lie. The VPC is cut into eight equal parts: parts 0 to 5 are the private subnets of up to
 * six zones, part 6 stays free, part 7 is cut into eight public subnets. The place of a zone depends on its index
 * alone, so that adding a zone moves no other.
 */
export function layOutSubnets(vpcCidr: string, zones: number): ZoneSubnets[] {
  const vpc = parseIpv4Block(vpcCidr);
  if (!vpc) throw new RangeError(`${vpcCidr} is not an IPv4 CIDR block`);
  const publicPart = subBlock(vpc, vpc.prefix + 3, 7);
  return Array.from({ length: zones }, (_, index) => ({
    private: formatIpv4Block(subBlock(vpc, vpc.prefix + 3, index)),
    public: formatIpv4Block(subBlock(publicPart, vpc.prefix + 6, index)),
  }));
}
