/**
 * Describes the EKS optimized AMIs of Amazon Linux 2023, from the release notes of amazon-eks-ami up to v20261112. All
 * minors get containerd and runc from the same package repository: 2.2 and 1.3 in July 2026, 2.3 and 1.4 since October.
 * The kernel depends on minor and accelerator.
 */
import type { Problem, PropertyPath } from "../schema/problem";

export type Architecture = "x86_64" | "arm64";
export type Accelerator = "none" | "nvidia" | "neuron";

/** Oldest kernel with all features that CRIU 4 needs for the checkpoints of this project. */
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

/** Describes an EKS optimized AMI. */
export interface Ami {
  /** `amiType` of the EKS node-group API. */
  readonly amiType: string;
  /** SSM parameter with the id of the newest recommended image. */
  readonly ssmParameter: string;
  /** Major and minor of the Linux kernel. */
  readonly kernel: string;
  /** Version of containerd's configuration schema. */
  readonly containerdSchema: 3;
  /** Runtime handler of pods without a RuntimeClass. */
  readonly defaultRuntime: "runc" | "nvidia";
  /** Binary that a runc shim must call as runc. */
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
 * Returns the EKS optimized AMI for a node, or the problems.
 * @param path the property of the input to which the problems refer
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
      code: "unsupported-accelerator",
      path,
      message: "has no EKS AMI for this accelerator and architecture",
      given: `${accelerator} on ${architecture}`,
      allowed: Object.keys(TYPES[architecture]).join(", "),
      remedy: "choose other instance types, or set a custom AMI",
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
    message: "is a Kubernetes version without an EKS node image",
    given: minor,
    allowed: KUBERNETES_MINORS.join(", "),
  };
}

/** Returns the default runtime. nodeadm selects `nvidia` if nvidia-container-runtime is installed, as on NVIDIA AMIs. */
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

/** Compares `major.minor`. Returns a negative number if `a` is older than `b`, zero if equal, a positive one if newer. */
export function compareVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split(".").map(Number);
  const [majorB = 0, minorB = 0] = b.split(".").map(Number);
  return majorA - majorB || minorA - minorB;
}

// Names of EC2 instance types.

/** Facts that the name of an instance type implies: its architecture, and the accelerator that needs drivers in the AMI. */
export interface InstanceTypeFacts {
  readonly architecture: Architecture;
  readonly accelerator: Accelerator;
}

/** Accelerator of each series. none: no accelerator, or none that EKS AMIs support. Mac instances cannot be EKS nodes. */
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

/** Matches families with AMD GPUs, such as g4ad. No EKS AMI has drivers for them. */
const AMD_GPU = /^g\d+ad$/;
/** Matches families with Grace CPUs by their suffix, such as p6e-gb200. */
const GRACE = /-g[bh]\d+$/;

/** Matches `series generation attributes [-suffix] . size`, such as g5g.xlarge, u7i-12tb.224xlarge or u-6tb1.metal. */
const NAME = /^(([a-z]+)(\d*)([a-z]*)(-[a-z0-9]+)?)\.([a-z0-9-]+)$/;

/** Returns whether the text has the format of an instance type. */
export function isInstanceType(name: string): boolean {
  return NAME.test(name);
}

/** Returns the facts of an instance type. Undefined for an unknown series: the user must set them. */
export function parseInstanceType(name: string): InstanceTypeFacts | undefined {
  const match = NAME.exec(name);
  if (!match) return undefined;
  const [, family = "", series = "", , attributes = ""] = match;
  const accelerator = AMD_GPU.test(family) ? "none" : SERIES[series];
  if (accelerator === undefined) return undefined;
  // The attribute g after the generation means Graviton (EC2 naming conventions). a1 is Graviton, too.
  const arm = attributes.includes("g") || family === "a1" || GRACE.test(family);
  return { architecture: arm ? "arm64" : "x86_64", accelerator };
}
