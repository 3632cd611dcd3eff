import { repeated } from "../../network/check";
import {
  KUBERNETES_MINORS,
  MINIMUM_KERNEL,
  compareVersions,
  findAmi,
  unsupportedVersion,
  RESTORING_CONTAINERD,
} from "../ami";
import { checkNodeSettings, instanceFacts, restoresFromImages } from "../check";
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

/** What of the cluster a group must fit. */
export interface NodeGroupContext {
  /** Kubernetes minor of the control plane: `1.35`. */
  readonly kubernetesVersion: string;
}

/** All problems of a group that its schema cannot see. */
export function checkNodeGroup(group: ResolvedNodeGroup, { kubernetesVersion }: NodeGroupContext): Problem[] {
  return [
    ...checkVersion(group, kubernetesVersion),
    ...checkAmi(group, kubernetesVersion),
    ...checkRestore(group),
    ...checkNodeSettings(group),
    ...checkScaling(group),
    ...checkCapacity(group),
    ...checkLabels(group),
    ...repeated(group.rolePolicyArns, ["rolePolicyArns"]),
    ...repeated(group.subnetIds ?? [], ["subnetIds"]),
    ...repeated(group.securityGroupIds, ["securityGroupIds"]),
    ...checkModes(group),
  ];
}

/** Checks the nodes' minor against EKS's and the cluster's: a kubelet is at most three minors older than the API server. */
function checkVersion(group: ResolvedNodeGroup, cluster: string): Problem[] {
  const { version } = group;
  const path = ["version"];
  if (isToken(version)) {
    return [
      {
        code: "not-plain",
        path,
        message: "is known only when Terraform runs, but decides which image the nodes get",
        allowed: "a plain value",
      },
    ];
  }
  const minor = version ?? cluster;
  if (!customAmiOf(group) && !KUBERNETES_MINORS.includes(minor)) {
    return [
      {
        ...unsupportedVersion(path, minor),
        ...(version === undefined
          ? {}
          : { remedy: "leave it out, so that nodes have the cluster's version" }),
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
      allowed: `the cluster's ${cluster}, or up to three minors less`,
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
            code: "release-of-other-minor",
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
          ? "is out of support since 2025-11 and has neither nodeadm nor kernel 6.1"
          : "does not boot by nodeadm, whose user data the toolkit writes",
      allowed: "AL2023",
      remedy: "build the image from Amazon Linux 2023",
    });
  }
  if (!isToken(ami.kernel) && compareVersions(ami.kernel, MINIMUM_KERNEL) < 0) {
    problem("kernel", {
      code: "old-kernel",
      message: "is too old for CRIU to checkpoint containers by",
      allowed: `${MINIMUM_KERNEL} or newer`,
    });
  }
  if (ami.cgroup === "v1") {
    problem("cgroup", {
      code: "cgroup-v1",
      message: "is not supported: containers are frozen and their cgroups restored on cgroup v2 only",
      allowed: "v2",
      remedy: "boot the image with systemd.unified_cgroup_hierarchy=1",
    });
  }
  if (!isToken(ami.containerd) && isOldContainerd(ami.containerd)) {
    problem("containerd", {
      code: "old-containerd",
      message: "does not read configuration schema 3; nodeadm would not start it",
      allowed: `${MINIMUM_CONTAINERD} or newer`,
    });
  }
  return problems;
}

/** The first containerd with configuration schema 3. */
const MINIMUM_CONTAINERD = "2.0";

function isOldContainerd(version: string): boolean {
  return compareVersions(version, MINIMUM_CONTAINERD) < 0;
}

/** Checks that the containerd of a custom AMI restores from checkpoint images if the engine depends on it. */
function checkRestore(group: ResolvedNodeGroup): Problem[] {
  const { containerd } = customAmiOf(group) ?? {};
  if (containerd === undefined || isToken(containerd) || isOldContainerd(containerd)) return [];
  if (!restoresFromImages(group)) return [];
  const [first, removed] = RESTORING_CONTAINERD;
  if (compareVersions(containerd, first) >= 0 && compareVersions(containerd, removed) < 0) return [];
  return [
    {
      code: "containerd-without-restore",
      path: ["ami", "containerd"],
      message: "cannot restore from checkpoint images, as the engine requires",
      given: containerd,
      allowed: `${first} or newer, older than ${removed}`,
      remedy: "build the image with such a containerd, or set checkpointing: false",
    },
  ];
}

function checkScaling({ scaling: { min, max, desired } }: ResolvedNodeGroup): Problem[] {
  const problems: Problem[] = [];
  if (isToken(min) || isToken(max)) return problems;
  if (min > max) {
    problems.push({
      code: "min-above-max",
      path: ["scaling", "min"],
      message: "is more than max",
      given: `${min}`,
      allowed: `up to ${max}`,
    });
  }
  if (desired === undefined) return problems;
  const [name, value] = "initial" in desired ? ["initial", desired.initial] : ["managed", desired.managed];
  if (!isToken(value) && min <= max && (value < min || value > max)) {
    problems.push({
      code: "desired-outside",
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
        remedy: "give the id of the capacity block's reservation",
      });
    }
    if (instanceTypes.length > 1) {
      problems.push({
        code: "one-instance-type",
        path: ["instanceTypes"],
        message: "names several types, but a capacity block is of one",
        given: instanceTypes.join(", "),
        allowed: "the block's instance type",
      });
    }
  }
  if (capacityType === "SPOT" && capacityReservation !== undefined) {
    problems.push({
      code: "exclusive",
      path: ["capacityReservation"],
      message: "cannot hold spot instances",
      remedy: "use capacityType ON_DEMAND or CAPACITY_BLOCK",
    });
  }
  return problems;
}

/** Limits of labels in the EKS API (CreateNodegroup), which are narrower than those of Kubernetes. */
const LABEL_KEY_MAX = 63;

function checkLabels({ labels }: ResolvedNodeGroup): Problem[] {
  return Object.entries(labels).flatMap(([key, value]): Problem[] => {
    const path = ["labels", key];
    if (!isToken(key) && key.length > LABEL_KEY_MAX) {
      return [
        {
          code: "label-key-too-long",
          path,
          message: "is a label whose key EKS refuses in a managed node group",
          given: `${key.length} characters`,
          allowed: `up to ${LABEL_KEY_MAX} characters, prefix included`,
          remedy: "choose a shorter key",
        },
      ];
    }
    if (value !== "") return [];
    return [
      {
        code: "empty-label",
        path,
        message: "is a label without a value, which EKS refuses in a managed node group",
        given: '""',
        allowed: "1 to 63 characters",
        remedy: 'give it a value, such as "true"',
      },
    ];
  });
}

/** What the NodeConfig that EKS puts last in a managed group without a custom AMI would take away. */
function checkModes(group: ResolvedNodeGroup): Problem[] {
  if (customAmiOf(group)) return [];
  const problems: Problem[] = [];
  if (group.postNodeadm.length > 0) {
    problems.push({
      code: "post-nodeadm-ignored",
      path: ["postNodeadm"],
      message:
        "would be dropped: in a managed group without a custom AMI, EKS puts its own NodeConfig after all parts given",
      given: `${group.postNodeadm.length} script${group.postNodeadm.length === 1 ? "" : "s"}`,
      allowed: "only together with ami.id",
      remedy: "use preNodeadm, or a custom AMI",
    });
  }
  if (group.kubelet.maxPodsExpression !== undefined) {
    problems.push({
      code: "max-pods-ignored",
      path: ["kubelet", "maxPodsExpression"],
      message:
        "would have no effect: in a managed group without a custom AMI, EKS sets maxPods, which goes before it",
      given: group.kubelet.maxPodsExpression,
      allowed: "only together with ami.id",
      remedy: "use kubelet.config.maxPods, or a custom AMI",
    });
  }
  return problems;
}

/**
 * The group with its defaults.
 * @param subject what errors call the group, for instance a construct path
 * @throws InvalidInputError with all problems
 */
export function resolveNodeGroup(
  subject: string,
  spec: NodeGroupSpec,
  context: NodeGroupContext,
): ResolvedNodeGroup {
  return resolve(subject, nodeGroupSchema, spec, (group) => checkNodeGroup(group, context));
}
