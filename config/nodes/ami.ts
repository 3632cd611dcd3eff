/**
 * Describes the EKS optimized AMIs of Amazon Linux 2023, from the release notes of amazon-eks-ami up to v20261112. All
 * minors get containerd and runc from the same package repository: 2.2 and 1.3 in July 2026, 2.3 and 1.4 since October.
 * The kernel depends on minor and accelerator.
 */
import type { Problem, PropertyPath } from "../schema/problem";

export type Architecture = "x86_64" | "arm64";
export type Accelerator = "none" | "nvidia" | "neuron";

/** The oldest kernel with all features that CRIU 4 needs for the checkpoints of this project. */
export const MINIMUM_KERNEL = "6.1";

/**
 * Kubernetes minors that EKS offers, oldest first, each with Amazon Linux 2023 AMIs and containerd 2 (reviewed
 * 2026-11). Extended support of 1.30 ended on 2026-07-23 and that of 1.31 on 2026-11-26.
 */
export const KUBERNETES_MINORS: readonly [string, ...string[]] = [
  "1.32",
  "1.33",
  "1.34",
  "1.35",
  "1.36",
  "1.37",
];

export interface Ami {
  /** `amiType` of the EKS node-group API. */
  readonly amiType: string;
  /** SSM parameter with the id of the image that AWS recommends today. */
  readonly ssmParameter: string;
  /** Major and minor of the Linux kernel. */
  readonly kernel: string;
  /** Version of containerd's configuration schema. */
  readonly containerdSchema: 3;
  /** Name of the runtime handler that pods without a RuntimeClass get. */
  readonly defaultRuntime: "runc" | "nvidia";
  /** Program that a runc shim must call as runc. */
  readonly runtimeBinary: string;
}

const TYPES: Readonly<Record<Architecture, Readonly<Partial<Record<Accelerator, string>>>>> = {
  x86_64: {
    none: "AL2023_x86_64_STANDARD",
    nvidia: "AL2023_x86_64_NVIDIA",
    neuron: "AL2023_x86_64_NEURON",
  },
  arm64: { none: "AL2023_ARM_64_STANDARD", nvidia: "AL2023_ARM_64_NVIDIA" },
};

/**
 * The EKS optimized AMI for a node.
 * @param path where in the input the choice was made, for the problems
 */
export function findAmi(
  minor: string,
  architecture: Architecture,
  accelerator: Accelerator,
  path: PropertyPath = [],
):
  | { readonly ami: Ami; readonly problems?: undefined }
  | { readonly ami?: undefined; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  if (!KUBERNETES_MINORS.includes(minor)) problems.push(unsupportedVersion(path, minor));
  const amiType = TYPES[architecture][accelerator];
  if (amiType === undefined) {
    problems.push({
      code: "no-such-ami",
      path,
      message: "EKS publishes no AMI for this accelerator on this architecture",
      given: `${accelerator} on ${architecture}`,
      allowed: Object.keys(TYPES[architecture]).join(", "),
      remedy: "choose other instance types, or give a custom AMI",
    });
  }
  if (amiType === undefined || problems.length > 0) return { problems };
  return {
    ami: {
      amiType,
      ssmParameter: ssmParameter(minor, architecture, accelerator),
      kernel: kernel(minor, accelerator),
      containerdSchema: 3,
      ...runtimeOf(accelerator),
    },
  };
}

/** Returns the problem of a minor without AMIs. */
export function unsupportedVersion(path: PropertyPath, minor: string): Problem {
  return {
    code: "unsupported-version",
    path,
    message: "is a Kubernetes version for which EKS publishes no node image",
    given: minor,
    allowed: KUBERNETES_MINORS.join(", "),
  };
}

/** nodeadm makes `nvidia` the default runtime where it finds nvidia-container-runtime, that is on NVIDIA AMIs. */
export function runtimeOf(accelerator: Accelerator): Pick<Ami, "defaultRuntime" | "runtimeBinary"> {
  return accelerator === "nvidia"
    ? { defaultRuntime: "nvidia", runtimeBinary: "/usr/bin/nvidia-container-runtime" }
    : { defaultRuntime: "runc", runtimeBinary: "/usr/sbin/runc" };
}

function ssmParameter(minor: string, architecture: Architecture, accelerator: Accelerator): string {
  const variant = accelerator === "none" ? "standard" : accelerator;
  return `/aws/service/eks/optimized-ami/${minor}/amazon-linux-2023/${architecture}/${variant}/recommended/image_id`;
}

function kernel(minor: string, accelerator: Accelerator): string {
  const number = Number(minor.split(".")[1]);
  if (number >= 36) return "6.18";
  if (number >= 33 || accelerator === "nvidia") return "6.12";
  return "6.1";
}

/** Negative, zero or positive as `a` is older than, equal to or newer than `b`; compares `major.minor` only. */
export function compareVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split(".").map(Number);
  const [majorB = 0, minorB = 0] = b.split(".").map(Number);
  return majorA - majorB || minorA - minorB;
}

/* What the name of an EC2 instance type tells: its architecture and which accelerator the AMI must have drivers for. */

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

/** containerd versions that restore from checkpoint images: from the first up to, but excluding, the second. */
export const RESTORING_CONTAINERD = ["2.1", "2.4"] as const;
