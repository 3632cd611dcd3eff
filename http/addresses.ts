/** Refuses addresses that a request to a configured host must not reach: those of the node and its cloud. */
import { lookup, type LookupAddress } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** Ranges, and why they are refused. An IPv6 address that contains an IPv4 address is evaluated as the IPv4 address. */
const RANGES: readonly (readonly [range: string, prefix: number, family: "ipv4" | "ipv6", why: string])[] = [
  ["0.0.0.0", 8, "ipv4", "it is not the address of a host"],
  ["127.0.0.0", 8, "ipv4", "it is a loopback address"],
  ["169.254.0.0", 16, "ipv4", "it is a link-local address, which metadata and credentials use"],
  ["224.0.0.0", 3, "ipv4", "it is a multicast or reserved address"],
  ["::", 96, "ipv6", "it is a loopback address, or no address of a host"],
  ["fe80::", 10, "ipv6", "it is a link-local address"],
  ["fd00:ec2::", 32, "ipv6", "it is an address of metadata or credentials"],
  ["ff00::", 8, "ipv6", "it is a multicast address"],
  // Tunnels: the IPv4 address that they contain would not be evaluated.
  ["64:ff9b:1::", 48, "ipv6", "it is an address of a translator"],
  ["::ffff:0:0:0", 96, "ipv6", "it is an address of a translator"],
  ["2001::", 32, "ipv6", "it is an address of a tunnel"],
  ["2002::", 16, "ipv6", "it is an address of a tunnel"],
  // NAT64 of the ranges above.
  ["64:ff9b::", 104, "ipv6", "it is not the address of a host"],
  ["64:ff9b::7f00:0", 104, "ipv6", "it is a loopback address"],
  ["64:ff9b::a9fe:0", 112, "ipv6", "it is a link-local address, which metadata and credentials use"],
  ["64:ff9b::e000:0", 99, "ipv6", "it is a multicast or reserved address"],
];

const LISTS = RANGES.map(([range, prefix, family, why]) => {
  const list = new BlockList();
  list.addSubnet(range, prefix, family);
  return { list, why };
});

/**
 * Returns why a request must not be sent to an address: loopback, link-local (also the cloud's metadata), multicast and the like,
 * or not an IP address. Undefined: the address is permitted, such as a private or public one.
 */
export function refusedAddress(address: string): string | undefined {
  const family = isIP(address);
  if (family === 0) return "it is not an IP address";
  return LISTS.find(({ list }) => list.check(address, family === 4 ? "ipv4" : "ipv6"))?.why;
}

/** Decides about an address. @returns why it is refused */
export type RefuseAddress = (address: string) => string | undefined;

/** Reports that an address is refused. */
export class RefusedAddressError extends Error {
  override readonly name = "RefusedAddressError";
  readonly code = "EADDRREFUSED";
}

/** Throws unless the address may be connected to. */
export function checkAddress(address: string, refuse: RefuseAddress): void {
  const why = refuse(address);
  if (why !== undefined) throw new RefusedAddressError(`the address ${address} is refused: ${why}`);
}

/** Returns a lookup for sockets that fails if one address of the name is refused. A check before the socket's lookup could see other addresses. */
export function refusingLookup(refuse: RefuseAddress, resolve: typeof lookup = lookup): LookupFunction {
  return (hostname, options, callback) => {
    const done = (error: Error | null, found: string | LookupAddress[], family?: number) => {
      if (error) return callback(error, "");
      try {
        const all = typeof found === "string" ? [found] : found.map(({ address }) => address);
        for (const address of all) checkAddress(address, refuse);
      } catch (refused) {
        return callback(refused as Error, "");
      }
      callback(null, found, family);
    };
    resolve(hostname, options, done as never);
  };
}
