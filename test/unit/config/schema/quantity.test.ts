import * as fc from "fast-check";
import {
  duration,
  parseDuration,
  parseQuantity,
  quantity,
  quantityBytes,
} from "../../../../config/schema/quantity";
import { check } from "../../../../config/schema";
import { assertProperty } from "../../../support/property";

// Values as resource.ParseQuantity of k8s.io/apimachinery v0.34.4 reads them, in billionths.
test.each([
  ["0", "0"],
  ["-0", "0"],
  ["+1", "1000000000"],
  ["-1", "-1000000000"],
  ["1.", "1000000000"],
  [".5", "500000000"],
  ["007", "7000000000"],
  ["100m", "100000000"],
  ["0.1m", "100000"],
  ["1u", "1000"],
  ["1n", "1"],
  ["0.1n", "1"],
  ["-0.1n", "-1"],
  ["1.0000000001", "1000000001"],
  ["-1.0000000001", "-1000000001"],
  ["1k", "1000000000000"],
  ["1M", "1000000000000000"],
  ["1G", "1000000000000000000"],
  ["1T", "1000000000000000000000"],
  ["1P", "1000000000000000000000000"],
  ["1E", "1000000000000000000000000000"],
  ["10E", "10000000000000000000000000000"],
  ["1Ki", "1024000000000"],
  ["1.5Gi", "1610612736000000000"],
  ["-2Mi", "-2097152000000000"],
  [".5Ki", "512000000000"],
  ["7Ei", "8070450532247928832000000000"],
  ["8Ei", "9223372036854775807000000000"],
  ["-8Ei", "-9223372036854775807000000000"],
  ["9Ei", "9223372036854775807000000000"],
  ["1e3", "1000000000000"],
  ["1E3", "1000000000000"],
  ["1e+3", "1000000000000"],
  ["1e-3", "1000000"],
  ["1e-10", "1"],
  ["1.25e1", "12500000000"],
  ["1e0009", "1000000000000000000"],
])("reads %s as Kubernetes does", (text, nanos) => {
  expect(parseQuantity(text)).toBe(BigInt(nanos));
});

// All but the last line are errors of resource.ParseQuantity too. That reads text without a digit as 0, which its documented
// grammar and the schema of CRDs do not, and exponents of any length, which take minutes to compute with.
const REJECTED = [
  ..."1K 1ki 1mi 1ni 1i 1KB 1kB 1GB 1Kib 1KI 1e 1e+ 1e1.5 1e3k 1e3Ki --1 +-1 1..5 1,5 1_000 0x10".split(" "),
  ..."NaN Infinity inf 1d 10%".split(" "),
  "",
  "1 Gi",
  " 1",
  "1\n",
  "\n1",
  ..."+ - . Ki m e3 1e1000 1e-1000".split(" "),
];

test.each(REJECTED)("rejects %j, which is not a quantity", (text) => {
  expect(parseQuantity(text)).toBeUndefined();
  expect(check(quantity, text).problems?.map(({ code }) => code)).toEqual(["invalid-quantity"]);
  expect(() => quantityBytes(text)).toThrow(RangeError);
});

const UNITS: readonly (readonly [unit: string, numerator: bigint, denominator: bigint])[] = [
  ["", 1n, 1n],
  ...["m", "u", "n"].map((unit, index) => [unit, 1n, 1000n ** BigInt(index + 1)] as const),
  ...["k", "M", "G", "T", "P", "E"].map((unit, index) => [unit, 1000n ** BigInt(index + 1), 1n] as const),
  ...["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].map(
    (unit, index) => [unit, 1024n ** BigInt(index + 1), 1n] as const,
  ),
  ...["e0", "E3", "e+6", "e12"].map((unit) => [unit, 10n ** BigInt(unit.replace(/\D/g, "")), 1n] as const),
];
const NANOS = 10n ** 9n;
const CAP = (2n ** 63n - 1n) * NANOS;
const settings = 1000;
const whole = fc.bigInt({ min: 0n, max: 10n ** 24n });
const unit = fc.constantFrom(...UNITS);

test("multiplies number and unit exactly, and rounds up to billionths", () => {
  const fraction = fc
    .array(fc.integer({ min: 0, max: 9 }), { maxLength: 14 })
    .map((digits) => digits.join(""));
  assertProperty(
    fc.property(whole, fraction, unit, (number, digits, [suffix, numerator, denominator]) => {
      const divisor = 10n ** BigInt(digits.length) * denominator;
      const exact = BigInt(`${number}${digits}`) * numerator * NANOS;
      const rounded = (exact + divisor - 1n) / divisor;
      const expected = suffix.endsWith("i") && rounded > CAP ? CAP : rounded;
      const text = `${number}${digits === "" ? "" : "."}${digits}${suffix}`;
      expect(parseQuantity(text)).toBe(expected);
      expect(parseQuantity(`+${text}`)).toBe(expected);
      expect(parseQuantity(`-${text}`)).toBe(-expected);
      expect(parseQuantity(`00${text}`)).toBe(expected);
    }),
    settings,
  );
});

test("reads any text as a quantity of zero or more, or rejects it", () => {
  const text = fc
    .array(fc.constantFrom(...Array.from("0123456789.+-eEinumkKMGTP ")), { maxLength: 8 })
    .map((characters) => characters.join(""));
  const known = /^\+?(?=\.?\d)\d*(\.\d*)?([numkMGTPE]|[KMGTPE]i|[eE][+-]?0*\d{1,3})?$/;
  assertProperty(
    fc.property(text, (given) => {
      const accepted = check(quantity, given).problems === undefined;
      expect(accepted).toBe(known.test(given));
      expect(accepted).toBe((parseQuantity(given) ?? -1n) >= 0n && !given.startsWith("-"));
    }),
    settings,
  );
});

test("rounds bytes up to whole numbers", () => {
  expect(["20Gi", "1k", "0.1", "1.5", "100m", "0"].map(quantityBytes)).toEqual([
    20 * 1024 ** 3,
    1000,
    1,
    2,
    1,
    0,
  ]);
  expect(["-1100Mi", "-1", "-0.5"].map(quantityBytes)).toEqual([-1100 * 2 ** 20, -1, -1]);
  expect(() => quantityBytes("8Pi")).toThrow(RangeError);
  expect(quantityBytes("9007199254740991")).toBe(Number.MAX_SAFE_INTEGER);
});

test.each([
  ["90s", 90],
  ["1h30m", 5400],
  ["2m30s", 150],
  ["0s", 0],
  ["2562047h", 2_562_047 * 3600],
])("reads the duration %s", (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds);
  expect(check(duration, text).problems).toBeUndefined();
});

// The last two are longer than the 2^63-1 nanoseconds that a Go program can hold.
test.each(["", "90", "1d", "1h 30m", "1.5h", "-1s", "ms", "2562048h", `${"9".repeat(400)}h`])(
  "rejects the duration %j",
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
    expect(check(duration, text).problems).toHaveLength(1);
  },
);
