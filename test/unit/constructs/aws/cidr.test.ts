import * as fc from "fast-check";
import { DISCOVERY_TAG } from "../../../../config/karpenter";
import { layOutSubnets, overlap, within } from "../../../../config/network";
import { formatIpv4Block, parseIpv4Block, anyCidr, ipv4Cidr } from "../../../../config/network/cidr";
import { check } from "../../../../config/schema";
import { assertProperty } from "../../../support/property";

const block = fc
  .tuple(fc.nat({ max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 32 }))
  .map(([address, prefix]) => ({ start: address - (address % 2 ** (32 - prefix)), prefix }));

test("parses each formatted address to the same value", () => {
  assertProperty(
    fc.property(block, (given) => expect(parseIpv4Block(formatIpv4Block(given))).toEqual(given)),
  );
});

test("reports an overlap if and only if one block contains the other", () => {
  assertProperty(
    fc.property(block, block, (a, b) => {
      const [one, other] = [formatIpv4Block(a), formatIpv4Block(b)];
      expect(overlap(one, other)).toBe(within(one, other) || within(other, one));
      expect(overlap(one, other)).toBe(overlap(other, one));
    }),
  );
});

test.each([
  ["10.0.0.0/16", "10.0.255.0/24", true],
  ["10.0.0.0/16", "10.1.0.0/16", false],
  ["0.0.0.0/0", "255.255.255.255/32", true],
  ["172.20.0.0/16", "fd00::/8", false],
])("%s and %s overlap: %s", (a, b, expected) => expect(overlap(a, b)).toBe(expected));

test("divides the VPC into subnets that do not overlap and depend only on the index of their zone", () => {
  const vpc = fc
    .tuple(fc.nat({ max: 2 ** 32 - 1 }), fc.integer({ min: 16, max: 22 }))
    .map(([address, prefix]) => formatIpv4Block({ start: address - (address % 2 ** (32 - prefix)), prefix }));
  assertProperty(
    fc.property(vpc, fc.integer({ min: 2, max: 6 }), (cidr, zones) => {
      const layout = layOutSubnets(cidr, zones);
      const blocks = layout.flatMap((zone) => [zone.private, zone.public]);
      for (const [index, subnet] of blocks.entries()) {
        expect(within(cidr, subnet)).toBe(true);
        expect(parseIpv4Block(subnet)!.prefix).toBeLessThanOrEqual(28);
        for (const other of blocks.slice(index + 1)) expect(overlap(subnet, other)).toBe(false);
      }
      expect(layOutSubnets(cidr, 6).slice(0, zones)).toEqual(layout);
    }),
    50,
  );
});

test.each(["10.0.0.1/16", "10.0.0.0", "10.0.0.0/33", "10.0.0/16", "010.0.0.0/8", "10.0.0.0/16/8", ""])(
  "rejects %j, which is not an IPv4 block",
  (text) => expect(check(ipv4Cidr(), text).problems).toMatchObject([{ code: "invalid-cidr" }]),
);

test("reports a prefix length out of range with the range", () => {
  expect(check(ipv4Cidr(16, 22), "10.0.0.0/8").problems).toMatchObject([
    { code: "invalid-cidr", allowed: expect.stringContaining("from 16 to 22") },
  ]);
});

test.each([
  ["2001:db8::/48", true],
  ["::/0", true],
  ["203.0.113.7/32", true],
  ["2001:db8::/129", false],
  ["2001:db8::", false],
])("%s is a block: %s", (text, valid) => expect(check(anyCidr, text).problems === undefined).toBe(valid));

test("adds the tag for Karpenter's discovery to subnets", () => {
  expect(DISCOVERY_TAG).toBe("karpenter.sh/discovery");
});
