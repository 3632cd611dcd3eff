/**
 * What is known of the EKS optimized AMIs of Amazon Linux 2023, from the release notes of amazon-eks-ami v20260714: one
 * generation of containerd (2.2) and runc (1.3) for all supported minors; the kernel depends on minor and accelerator.
 */
import type { Problem, PropertyPath } from "../schema/problem";

export type Architecture = "x86_64" | "arm64";
export type Accelerator = "none" | "nvidia" | "neuron";

/** A kernel older than this lacks what CRIU 4 needs of it for the checkpoints this project makes. */
export const MINIMUM_KERNEL = "6.1";

/** Kubernetes minors for which EKS publishes Amazon Linux 2023 AMIs with containerd 2. */
export const AMI_MINORS = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36"] as const;

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
  if (!(AMI_MINORS as readonly string[]).includes(minor)) {
    problems.push({
      code: "unsupported-minor",
      path,
      message: "there is no Amazon Linux 2023 AMI with containerd 2 for this Kubernetes version",
      given: minor,
      allowed: AMI_MINORS.join(", "),
      remedy: "choose a supported Kubernetes version for the cluster",
    });
  }
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
