import { repeated } from "../../network/check";
import { KUBERNETES_MINORS, MINIMUM_KERNEL, compareVersions, findAmi, unsupportedVersion } from "../ami";
import { checkNodeSettings, instanceFacts } from "../check";
import type { Problem } from "../../schema/problem";
import { isToken } from "../../schema/rule";
import {
  customAmiOf,
  nodeGroupSchema,
  type CustomAmi,
  type ResolvedNodeGroup,
  type NodeGroupSpec,
} from "./schema";
import { resolve } from "../../schema";

/** Properties of the cluster that the checks of a group need. */
export interface NodeGroupContext {
  /** Kubernetes minor version of the control plane, such as `1.35`. */
  readonly kubernetesVersion: string;
}

/** Checks a node group across several properties. */
export function checkNodeGroup(group: ResolvedNodeGroup, { kubernetesVersion }: NodeGroupContext): Problem[] {
  return [
    ...checkVersion(group, kubernetesVersion),
    ...checkAmi(group, kubernetesVersion),
    ...checkNodeSettings(group),
    ...checkScaling(group),
    ...checkCapacity(group),
    ...checkLabels(group),
    ...repeated(group.rolePolicyArns, ["rolePolicyArns"]),
    ...repeated(group.subnetIds ?? [], ["subnetIds"]),
    ...repeated(group.securityGroupIds, ["securityGroupIds"]),
    ...checkOverrides(group),
  ];
}

/** Checks that EKS supports the nodes' version, and that it is at most three minors older than the cluster's. */
function checkVersion(group: ResolvedNodeGroup, cluster: string): Problem[] {
  const { version } = group;
  const path = ["version"];
  if (isToken(version)) {
    return [
      {
        code: "unresolved-token",
        path,
        message: "is a Terraform token, but the node image depends on its value",
        allowed: "a literal value",
      },
    ];
  }
  const minor = version ?? cluster;
  if (!customAmiOf(group) && !KUBERNETES_MINORS.includes(minor)) {
    return [
      {
        ...unsupportedVersion(path, minor),
        ...(version === undefined ? {} : { remedy: "remove it to use the cluster's version" }),
      },
    ];
  }
  const behind = compareVersions(cluster, minor);
  if (behind >= 0 && behind <= 3) return [];
  return [
    {
      code: "version-skew",
      path,
      message: behind < 0 ? "is newer than the cluster" : "is more than three minors older than the cluster",
      given: minor,
      allowed: `the cluster's ${cluster}, or up to three minors older`,
    },
  ];
}

function checkAmi(group: ResolvedNodeGroup, cluster: string): Problem[] {
  const custom = customAmiOf(group);
  if (custom) return checkCustomAmi(custom);
  const minor = group.version ?? cluster;
  if (isToken(minor)) return [];
  const release = group.ami && "releaseVersion" in group.ami ? group.ami.releaseVersion : undefined;
  const wrongMinor =
    release !== undefined && !isToken(release) && compareVersions(release, minor) !== 0
      ? [
          {
            code: "ami-release-mismatch",
            path: ["ami", "releaseVersion"],
            message: `is not a release for Kubernetes ${minor}`,
            given: release,
            allowed: `${minor}.<patch>-<date>`,
          },
        ]
      : [];
  const { architecture, accelerator, problems } = instanceFacts(group);
  if (problems.length > 0 || !KUBERNETES_MINORS.includes(minor)) return wrongMinor;
  return [...(findAmi(minor, architecture, accelerator, ["instanceTypes"]).problems ?? []), ...wrongMinor];
}

function checkCustomAmi(ami: CustomAmi): Problem[] {
  const problems: Problem[] = [];
  const problem = (property: keyof CustomAmi, rest: Omit<Problem, "path" | "given">) =>
    problems.push({ path: ["ami", property], given: ami[property], ...rest });
  if (ami.family !== "AL2023") {
    problem("family", {
      code: "unsupported-family",
      message:
        ami.family === "AL2"
          ? "is unsupported since 2025-11 and lacks nodeadm and kernel 6.1"
          : "does not support nodeadm",
      allowed: "AL2023",
      remedy: "build the image from Amazon Linux 2023",
    });
  }
  if (!isToken(ami.kernel) && compareVersions(ami.kernel, MINIMUM_KERNEL) < 0) {
    problem("kernel", {
      code: "old-kernel",
      message: "is too old for CRIU",
      allowed: `${MINIMUM_KERNEL} or newer`,
    });
  }
  if (ami.cgroup === "v1") {
    problem("cgroup", {
      code: "cgroup-v1",
      message: "is not supported: checkpoint and restore require cgroup v2",
      allowed: "v2",
      remedy: "boot the image with systemd.unified_cgroup_hierarchy=1",
    });
  }
  if (!isToken(ami.containerd) && isOldContainerd(ami.containerd)) {
    problem("containerd", {
      code: "old-containerd",
      message: "does not support configuration schema 3, which nodeadm writes",
      allowed: `${MINIMUM_CONTAINERD} or newer`,
    });
  }
  return problems;
}

/** First containerd version with configuration schema 3. */
const MINIMUM_CONTAINERD = "2.0";

function isOldContainerd(version: string): boolean {
  return compareVersions(version, MINIMUM_CONTAINERD) < 0;
}

function checkScaling({ scaling: { min, max, desired } }: ResolvedNodeGroup): Problem[] {
  const problems: Problem[] = [];
  if (isToken(min) || isToken(max)) return problems;
  if (min > max) {
    problems.push({
      code: "min-above-max",
      path: ["scaling", "min"],
      message: "is greater than max",
      given: `${min}`,
      allowed: `up to ${max}`,
    });
  }
  if (desired === undefined) return problems;
  const [name, value] = "initial" in desired ? ["initial", desired.initial] : ["managed", desired.managed];
  if (!isToken(value) && min <= max && (value < min || value > max)) {
    problems.push({
      code: "desired-out-of-range",
      path: ["scaling", "desired", name],
      message: "is not between min and max",
      given: `${value}`,
      allowed: `${min} to ${max}`,
    });
  }
  return problems;
}

function checkCapacity({ capacityType, capacityReservation, instanceTypes }: ResolvedNodeGroup): Problem[] {
  const problems: Problem[] = [];
  if (capacityType === "CAPACITY_BLOCK") {
    if (capacityReservation === undefined) {
      problems.push({
        code: "missing",
        path: ["capacityReservation"],
        message: "is required for capacityType CAPACITY_BLOCK",
        remedy: "set the id of the capacity block's reservation",
      });
    }
    if (instanceTypes.length > 1) {
      problems.push({
        code: "multiple-instance-types",
        path: ["instanceTypes"],
        message: "has several types, but a capacity block has one",
        given: instanceTypes.join(", "),
        allowed: "the instance type of the capacity block",
      });
    }
  }
  if (capacityType === "SPOT" && capacityReservation !== undefined) {
    problems.push({
      code: "mutually-exclusive",
      path: ["capacityReservation"],
      message: "does not support spot instances",
      remedy: "use capacityType ON_DEMAND or CAPACITY_BLOCK",
    });
  }
  return problems;
}

/** Maximum length of label keys in the EKS API (CreateNodegroup), which is stricter than Kubernetes. */
const LABEL_KEY_MAX = 63;

function checkLabels({ labels }: ResolvedNodeGroup): Problem[] {
  return Object.entries(labels).flatMap(([key, value]): Problem[] => {
    const path = ["labels", key];
    if (!isToken(key) && key.length > LABEL_KEY_MAX) {
      return [
        {
          code: "label-key-too-long",
          path,
          message: "has a key that is too long for EKS managed node groups",
          given: `${key.length} characters`,
          allowed: `up to ${LABEL_KEY_MAX} characters, prefix included`,
          remedy: "choose a shorter key",
        },
      ];
    }
    if (value !== "") return [];
    return [
      {
        code: "empty-label-value",
        path,
        message: "is empty, which EKS managed node groups do not support",
        given: '""',
        allowed: "1 to 63 characters",
        remedy: 'set a value, such as "true"',
      },
    ];
  });
}

/** Rejects settings that EKS overrides in a managed group without a custom AMI, because it appends its own NodeConfig. */
function checkOverrides(group: ResolvedNodeGroup): Problem[] {
  if (customAmiOf(group)) return [];
  const problems: Problem[] = [];
  if (group.postNodeadm.length > 0) {
    problems.push({
      code: "post-nodeadm-ignored",
      path: ["postNodeadm"],
      message: "has no effect without a custom AMI: EKS drops the scripts",
      given: `${group.postNodeadm.length} script${group.postNodeadm.length === 1 ? "" : "s"}`,
      allowed: "only with ami.id",
      remedy: "use preNodeadm, or a custom AMI",
    });
  }
  if (group.kubelet.maxPodsExpression !== undefined) {
    problems.push({
      code: "max-pods-ignored",
      path: ["kubelet", "maxPodsExpression"],
      message: "has no effect without a custom AMI: EKS sets maxPods",
      given: group.kubelet.maxPodsExpression,
      allowed: "only with ami.id",
      remedy: "use kubelet.config.maxPods, or a custom AMI",
    });
  }
  return problems;
}

/**
 * Returns the group with its defaults.
 * @param subject the name of the group in errors, such as a construct path
 * @throws InvalidInputError with all problems
 */
export function resolveNodeGroup(
  subject: string,
  spec: NodeGroupSpec,
  context: NodeGroupContext,
): ResolvedNodeGroup {
  return resolve(subject, nodeGroupSchema, spec, (group) => checkNodeGroup(group, context));
}
