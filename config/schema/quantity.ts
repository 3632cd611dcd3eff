/** Kubernetes quantities and Go durations, as far as this project reads and writes them. */
import { pattern } from "./rule";

/** A Kubernetes resource quantity: 500m, 2, 100Mi, 1e3. */
export const quantity = pattern(/^[0-9]+(\.[0-9]+)?(m|k|[KMGTPE]i?|e[0-9]+)?$/, {
  code: "not-a-quantity",
  message: "is not a Kubernetes quantity",
  allowed: "a number with an optional unit: 500m, 2, 100Mi, 1Gi",
});

/** What the kubelet and Karpenter take as a duration: 10m, 1h30m, 90s, 2m30s. */
export const duration = pattern(/^([0-9]+(h|m|s))+$/, {
  code: "not-a-duration",
  message: "is not a duration",
  allowed: "hours, minutes and seconds: 10m, 1h30m, 90s",
});

const UNITS = ["", "k", "M", "G", "T", "P", "E"];

/** Value of a quantity such as `20Gi`, in whole units (bytes, of a size); NaN if it is none. */
export function quantityBytes(text: string): number {
  const [, number, unit = "", binary, exponent] =
    /^([0-9]+(?:\.[0-9]+)?)(?:([kmMGTPE])(i?)|e([0-9]+))?$/.exec(text.replace(/^(.*)Ki$/, "$1ki")) ?? [];
  if (number === undefined) return Number.NaN;
  if (exponent !== undefined) return Math.floor(Number(number) * 10 ** Number(exponent));
  if (unit === "m") return Math.floor(Number(number) / 1000);
  return Math.floor(Number(number) * (binary === "i" ? 1024 : 1000) ** UNITS.indexOf(unit));
}

const SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 };

/** Seconds of a duration such as `1h30m`; 0 if it is none. */
export function durationSeconds(text: string): number {
  let seconds = 0;
  for (const [, number, unit] of text.matchAll(/([0-9]+)([hms])/g)) {
    seconds += Number(number) * (SECONDS[unit ?? ""] ?? 0);
  }
  return seconds;
}
