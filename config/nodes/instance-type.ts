/** What the name of an EC2 instance type tells: its architecture and which accelerator the AMI must have drivers for. */
import type { Accelerator, Architecture } from "./ami";

export interface InstanceTypeFacts {
  readonly architecture: Architecture;
  readonly accelerator: Accelerator;
}

/** Series that name their accelerator or have none that an AMI of EKS drives. Mac instances cannot be EKS nodes. */
const SERIES: Readonly<Record<string, Accelerator>> = {
  ...Object.fromEntries(
    ["a", "c", "d", "dl", "f", "h", "hpc", "i", "im", "is", "m", "r", "t", "u", "vt", "x", "z"].map(
      (series) => [series, "none"],
    ),
  ),
  g: "nvidia",
  gr: "nvidia",
  p: "nvidia",
  inf: "neuron",
  trn: "neuron",
};

/** g4ad has AMD GPUs, which no EKS AMI drives. */
const AMD_GPU = /^g\d+ad$/;
/** Grace CPUs are named in the suffix of the family: p6e-gb200. */
const GRACE = /-g[bh]\d+$/;

/** `series generation attributes [-suffix] . size`, for instance g5g.xlarge, u7i-12tb.224xlarge, u-6tb1.metal. */
const NAME = /^(([a-z]+)(\d*)([a-z]*)(-[a-z0-9]+)?)\.([a-z0-9-]+)$/;

/** Whether the text has the form of an instance type's name. */
export function isInstanceType(name: string): boolean {
  return NAME.test(name);
}

/** What the name tells, or undefined for a series that is not known here: then the user must say. */
export function parseInstanceType(name: string): InstanceTypeFacts | undefined {
  const match = NAME.exec(name);
  if (!match) return undefined;
  const [, family = "", series = "", , attributes = ""] = match;
  const accelerator = AMD_GPU.test(family) ? "none" : SERIES[series];
  if (accelerator === undefined) return undefined;
  // Among the attributes after the generation, g means Graviton (EC2 naming conventions); a1 was the first of them.
  const arm = attributes.includes("g") || family === "a1" || GRACE.test(family);
  return { architecture: arm ? "arm64" : "x86_64", accelerator };
}
