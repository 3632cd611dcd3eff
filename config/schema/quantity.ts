/** Parsers and schemas of Kubernetes quantities and durations. */
import * as v from "./valibot";
import { pattern, rule } from "./rule";

const UNSIGNED = String.raw`(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:([KMGTPE])i|([numkMGTPE])|[eE]([+-]?0*\d{1,3}))?`;
const QUANTITY = new RegExp(`^([+-]?)${UNSIGNED}$`);

/** Resolution of a quantity, as in Kubernetes: 10^-9. */
const NANO = 9;
/** Largest value with a binary unit, as in Kubernetes: 2^63-1. */
const MAX_BINARY = (2n ** 63n - 1n) * 10n ** BigInt(NANO);

const BINARY = ["K", "M", "G", "T", "P", "E"];
const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

/**
 * Returns the exact value of a Kubernetes quantity in billionths, undefined for any other text. The grammar, the rounding
 * (up, away from zero, to billionths) and the cap are those of `resource.Quantity` (k8s.io/apimachinery). An exponent has at
 * most three digits here.
 */
export function parseQuantity(text: string): bigint | undefined {
  const found = QUANTITY.exec(text);
  if (!found) return undefined;
  const [, sign, whole = "", fraction = "", onlyFraction = "", binary, decimal = "", exponent] = found;
  const digits = fraction + onlyFraction;
  const scale = NANO - digits.length + (exponent === undefined ? (DECIMAL[decimal] ?? 0) : Number(exponent));
  const factor = binary === undefined ? 1n : 1024n ** BigInt(BINARY.indexOf(binary) + 1);
  const value = scaled(BigInt(whole + digits) * factor, scale);
  const capped = binary !== undefined && value > MAX_BINARY ? MAX_BINARY : value;
  return sign === "-" ? -capped : capped;
}

/** Returns value x 10^scale, rounded away from zero. */
function scaled(value: bigint, scale: number): bigint {
  if (value < 0n) return -scaled(-value, scale);
  if (scale >= 0) return value * 10n ** BigInt(scale);
  const divisor = 10n ** BigInt(-scale);
  return (value + divisor - 1n) / divisor;
}

/**
 * Returns the bytes of a size, rounded up to whole ones.
 * @throws RangeError if the text is not a quantity or exceeds the safe integers of JavaScript
 */
export function quantityBytes(text: string): number {
  const nanos = parseQuantity(text);
  const bytes = nanos === undefined ? Number.NaN : Number(scaled(nanos, -NANO));
  if (!Number.isSafeInteger(bytes)) throw new RangeError(`${JSON.stringify(text)} is not a number of bytes`);
  return bytes;
}

/** Matches a Kubernetes resource quantity of zero or more, such as 500m, 2, 100Mi or 1e3. */
export const quantity = pattern(new RegExp(`^\\+?${UNSIGNED}$`), {
  code: "invalid-quantity",
  message: "is not a Kubernetes quantity of zero or more",
  allowed:
    "a number, optionally followed by n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi or Ei, such as 500m or 128Mi",
});

const DURATION = /^(?:\d+[hms])+$/;
const SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 };
/** Longest duration of a Go program: 2^63-1 ns. */
const LONGEST_S = 9_223_372_036;

/** Returns the seconds of a duration such as `1h30m`, undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  const parts = [...text.matchAll(/(\d+)([hms])/g)];
  const seconds = parts.reduce(
    (sum, [, number, unit = ""]) => sum + Number(number) * (SECONDS[unit] ?? 0),
    0,
  );
  return seconds <= LONGEST_S ? seconds : undefined;
}

/** Matches a duration of the kubelet and Karpenter, such as 10m, 1h30m or 90s. */
export const duration: v.GenericSchema<string> = v.pipe(
  v.string(),
  rule<string>({
    code: "invalid-duration",
    test: (text) => parseDuration(text) !== undefined,
    message: "is not a duration",
    allowed: "hours, minutes and seconds: 10m, 1h30m, 90s",
    jsonSchema: { pattern: DURATION.source },
  }),
);
