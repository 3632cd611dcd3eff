import * as v from "../schema/valibot";
import { rule } from "../schema";

/** Describes an IPv4 CIDR block: its first address as an unsigned integer, and its prefix length. */
export interface Ipv4Block {
  readonly start: number;
  readonly prefix: number;
}

/** Returns the number of addresses. */
function size(prefix: number): number {
  return 2 ** (32 - prefix);
}

/** Parses a CIDR block. Returns undefined for other text or if host bits are set. */
export function parseIpv4Block(text: string): Ipv4Block | undefined {
  const [address = "", length = "", ...rest] = text.split("/");
  if (rest.length > 0 || !v.IPV4_REGEX.test(address) || !/^(\d|[12]\d|3[0-2])$/.test(length))
    return undefined;
  const start = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const prefix = Number(length);
  return start % size(prefix) === 0 ? { start, prefix } : undefined;
}

/** Formats a block in CIDR notation. */
export function formatIpv4Block({ start, prefix }: Ipv4Block): string {
  const bytes = [24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256);
  return `${bytes.join(".")}/${prefix}`;
}

/** Returns the index-th block of a prefix length in the parent block. */
export function subBlock(parent: Ipv4Block, prefix: number, index: number): Ipv4Block {
  return { start: parent.start + index * size(prefix), prefix };
}

/** Returns whether the blocks share an address. False for text that is not an IPv4 CIDR block. */
export function overlap(a: string, b: string): boolean {
  const [one, other] = [parseIpv4Block(a), parseIpv4Block(b)];
  if (!one || !other) return false;
  return one.start < other.start + size(other.prefix) && other.start < one.start + size(one.prefix);
}

/** Returns whether the outer block contains the whole block. */
export function within(outer: string, block: string): boolean {
  const [whole, part] = [parseIpv4Block(outer), parseIpv4Block(block)];
  if (!whole || !part || part.prefix < whole.prefix) return false;
  return overlap(outer, block);
}

/** Returns the schema of an IPv4 CIDR block with a prefix length from `shortest` to `longest`, both included. */
export function ipv4Cidr(shortest = 0, longest = 32): v.GenericSchema<string> {
  return v.pipe(
    v.string(),
    rule<string>({
      code: "invalid-cidr",
      test: (text) => {
        const block = parseIpv4Block(text);
        return block !== undefined && block.prefix >= shortest && block.prefix <= longest;
      },
      message: "is not an IPv4 CIDR block",
      allowed: `<first address>/<prefix length>, such as 10.0.0.0/16, with a prefix length from ${shortest} to ${longest} and host bits zero`,
    }),
  );
}

/** Matches an IPv4 or IPv6 CIDR block. */
export const anyCidr: v.GenericSchema<string> = v.pipe(
  v.string(),
  rule<string>({
    code: "invalid-cidr",
    test: (text) => parseIpv4Block(text) !== undefined || isIpv6Block(text),
    message: "is not a CIDR block",
    allowed: "an IPv4 block such as 203.0.113.0/24 (host bits zero) or an IPv6 block such as 2001:db8::/48",
  }),
);

function isIpv6Block(text: string): boolean {
  const [address = "", length = "", ...rest] = text.split("/");
  return rest.length === 0 && v.IPV6_REGEX.test(address) && /^\d{1,3}$/.test(length) && Number(length) <= 128;
}

/** IPv4 CIDR blocks of the subnets of one availability zone. */
export interface ZoneSubnets {
  readonly private: string;
  readonly public: string;
}

/** Allowed prefix lengths of a VPC. With the longest one, public subnets have /28, the smallest size of AWS. */
export const VPC_PREFIX = { shortest: 16, longest: 22 } as const;

/** Maximum number of availability zones. No region has more. */
export const MAX_ZONES = 6;

/**
 * Returns the CIDR blocks of the subnets of each zone. The VPC is divided into eight equal parts: parts 0 to 5 are the
 * private subnets of up to six zones, part 6 is unused, part 7 is divided into eight public subnets. The blocks of a zone
 * depend only on its index, so a new zone does not change the others.
 * @throws RangeError if the block of the VPC is not an IPv4 CIDR block
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
