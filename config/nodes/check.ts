/** Checks of node settings over several properties: instance types, root volume, timeouts, kubelet flags, duplicates. */
import { definitionOf } from "../engines";
import { repeated } from "../network/check";
import { printable, type Problem, type PropertyPath } from "../schema/problem";
import { isToken } from "../schema/rule";
import { parseInstanceType, type Accelerator, type Architecture, type InstanceTypeFacts } from "./ami";
import { parseDuration } from "../schema/quantity";
import { engineOf, type NodeSettings, type RuntimeHandler } from "./settings";
import { STARTUP_TAINT_DEFAULT, toTaintText, type Taint } from "./taint";

/** Returns the startup taint of the nodes, undefined for none. */
export function startupTaintOf({
  startupTaint,
  checkpointing,
}: Pick<NodeSettings, "startupTaint" | "checkpointing">): Taint | undefined {
  if (startupTaint === undefined) return checkpointing ? STARTUP_TAINT_DEFAULT : undefined;
  return startupTaint === false ? undefined : startupTaint;
}

/** Returns the runtime handler of the nodes, undefined for none. By default it is that of the engine. */
export function runtimeHandlerOf({
  runtimeHandler,
  checkpointing,
  engine,
}: Pick<NodeSettings, "runtimeHandler" | "checkpointing" | "engine">): RuntimeHandler | undefined {
  if (runtimeHandler !== undefined) return runtimeHandler || undefined;
  return checkpointing ? definitionOf({ kind: engineOf({ engine }) }).runtimeHandler : undefined;
}

/** Returns whether containerd of the nodes restores containers from checkpoint images. */
export function restoresFromImages({
  checkpointing,
  engine,
}: Pick<NodeSettings, "checkpointing" | "engine">): boolean {
  return checkpointing && definitionOf({ kind: engineOf({ engine }) }).restoresBy === "image";
}

const MAC = /^mac\d/;

/**
 * Architecture and accelerator of the settings' instance types.
 * Where types are mixed or unknown, a problem for each that does not fit the first known one.
 */
export function instanceFacts(
  settings: Pick<NodeSettings, "instanceTypes" | "architecture" | "accelerator">,
): InstanceTypeFacts & { readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const known = settings.instanceTypes
    .map((type, index) => ({ type, index, facts: isToken(type) ? undefined : parseInstanceType(type) }))
    .filter(({ type, index, facts }) => {
      if (!facts && (settings.architecture === undefined || settings.accelerator === undefined)) {
        problems.push({
          code: "unknown-instance-type",
          path: ["instanceTypes", index],
          given: printable(type),
          ...(MAC.test(type)
            ? { message: "is a Mac, which cannot be a node of EKS", remedy: "choose another instance type" }
            : {
                message: "is of a family that this toolkit does not know",
                remedy: "state architecture and accelerator beside instanceTypes",
              }),
        });
      }
      return facts !== undefined;
    });
  const architecture: Architecture = settings.architecture ?? known[0]?.facts?.architecture ?? "x86_64";
  const accelerator: Accelerator = settings.accelerator ?? known[0]?.facts?.accelerator ?? "none";
  const reference = settings.architecture === undefined ? (known[0]?.type ?? "") : "architecture";
  for (const { type, index, facts } of known) {
    if (facts === undefined) continue;
    const path: PropertyPath = ["instanceTypes", index];
    if (facts.architecture !== architecture) {
      problems.push({
        code: "mixed-architectures",
        path,
        message: `is ${facts.architecture}, but ${reference} says ${architecture}; one group has one image, so one architecture`,
        given: type,
        remedy: "make a group for each architecture",
      });
    }
    if (facts.accelerator !== accelerator)
      problems.push(wrongAccelerator(settings, path, type, facts, accelerator));
  }
  return { architecture, accelerator, problems };
}

const AMI_NAMES: Readonly<Record<Accelerator, string>> = {
  none: "the standard AMI",
  nvidia: "the NVIDIA AMI",
  neuron: "the Neuron AMI",
};

function wrongAccelerator(
  settings: Pick<NodeSettings, "accelerator">,
  path: PropertyPath,
  type: string,
  facts: InstanceTypeFacts,
  accelerator: Accelerator,
): Problem {
  const has =
    facts.accelerator === "none" ? "has no accelerator that EKS drives" : `has ${facts.accelerator} devices`;
  return {
    code: "mixed-accelerators",
    path,
    message: `${has}, but ${
      settings.accelerator === undefined ? "the types before it call for" : "accelerator calls for"
    } ${AMI_NAMES[accelerator]}`,
    given: type,
    allowed: `instance types for ${AMI_NAMES[accelerator]}`,
    remedy:
      settings.accelerator === undefined
        ? "make a group for each kind of accelerator"
        : "leave accelerator out: it follows from the instance types",
  };
}

/** All checks of node settings that do not depend on who makes the node. */
export function checkNodeSettings(settings: NodeSettings): Problem[] {
  return [
    ...instanceFacts(settings).problems,
    ...repeated(settings.instanceTypes, ["instanceTypes"]),
    ...checkRootVolume(settings.rootVolume),
    ...checkTimeouts(settings),
    ...checkFlags(settings.kubelet.flags ?? []),
    ...checkTaints(settings),
  ];
}

/** Limits of EBS volume types (EC2 API, CreateVolume). */
export function checkRootVolume(volume: NodeSettings["rootVolume"]): Problem[] {
  const { type, sizeGiB, iops, throughputMiBps } = volume;
  const problems: Problem[] = [];
  const problem = (property: string, rest: Omit<Problem, "path">) =>
    problems.push({ path: ["rootVolume", property], ...rest });
  if (type !== "gp3" && iops === undefined) {
    problem("iops", { code: "missing", message: `is required for ${type}` });
  }
  if (type !== "gp3" && throughputMiBps !== undefined) {
    problem("throughputMiBps", {
      code: "not-for-type",
      message: `cannot be set for ${type}`,
      given: `${throughputMiBps}`,
      allowed: "gp3 only",
      remedy: "leave it out, or use gp3",
    });
  }
  if ([sizeGiB, iops, throughputMiBps].some(isToken)) return problems;
  const limits = {
    gp3: { least: 3000, most: 80_000, perGiB: 500 },
    io1: { least: 100, most: 64_000, perGiB: 50 },
    io2: { least: 100, most: 256_000, perGiB: 1000 },
  }[type];
  const most = Math.min(limits.most, Math.max(limits.least, limits.perGiB * sizeGiB));
  if (iops !== undefined && (iops < limits.least || iops > most)) {
    problem("iops", {
      code: "out-of-range",
      message: `is outside what ${type} offers at ${sizeGiB} GiB`,
      given: `${iops}`,
      allowed: `${limits.least} to ${most}`,
    });
  }
  const mostThroughput = Math.floor(0.25 * (iops ?? 3000));
  if (type === "gp3" && throughputMiBps !== undefined && throughputMiBps > mostThroughput) {
    problem("throughputMiBps", {
      code: "out-of-range",
      message: "is more than a quarter MiB/s for each operation a second",
      given: `${throughputMiBps}`,
      allowed: `up to ${mostThroughput} with ${iops ?? 3000} iops`,
      remedy: `raise iops to ${throughputMiBps * 4}`,
    });
  }
  return problems;
}

function checkTimeouts({ kubelet }: Pick<NodeSettings, "kubelet">): Problem[] {
  const { shutdownGracePeriod, shutdownGracePeriodCriticalPods, shutdownGracePeriodByPodPriority } =
    kubelet.config ?? {};
  const path = (name: string): PropertyPath => ["kubelet", "config", name];
  const problems: Problem[] = [];
  const wholeS = parseDuration(shutdownGracePeriod ?? "");
  const criticalS = parseDuration(shutdownGracePeriodCriticalPods ?? "");
  if (wholeS !== undefined && criticalS !== undefined && criticalS > wholeS) {
    problems.push({
      code: "out-of-range",
      path: path("shutdownGracePeriodCriticalPods"),
      message: "is a part of shutdownGracePeriod, but longer",
      given: shutdownGracePeriodCriticalPods,
      allowed: `up to ${shutdownGracePeriod}`,
    });
  }
  if (shutdownGracePeriodByPodPriority !== undefined && shutdownGracePeriod !== undefined) {
    problems.push({
      code: "exclusive",
      path: path("shutdownGracePeriodByPodPriority"),
      message: "cannot be set together with shutdownGracePeriod; the kubelet would not start",
      remedy: "keep one of the two",
    });
  }
  return problems;
}

/** Flags that this toolkit writes as fields: the flag would win and take the field's content away. */
const OWN_FLAGS: Readonly<Record<string, string>> = {
  "--register-with-taints": "taints and startupTaint",
  "--node-labels": "labels",
  "--max-pods": "kubelet.config.maxPods",
  "--config": "kubelet.config",
  "--config-dir": "kubelet.config",
};

function checkFlags(flags: readonly string[]): Problem[] {
  return flags.flatMap((flag, index): Problem[] => {
    if (isToken(flag) && !flag.startsWith("--")) return [];
    const name = flag.split("=")[0] ?? "";
    const instead = OWN_FLAGS[name];
    if (!name.startsWith("--")) {
      return [
        {
          code: "not-a-flag",
          path: ["kubelet", "flags", index],
          message: "is not a flag of the kubelet",
          given: printable(flag),
          allowed: "--name=value in one item",
        },
      ];
    }
    if (instead === undefined) return [];
    return [
      {
        code: "own-flag",
        path: ["kubelet", "flags", index],
        message: "would override what the toolkit writes",
        given: printable(flag),
        remedy: `use ${instead}`,
      },
    ];
  });
}

function checkTaints(settings: NodeSettings): Problem[] {
  const problems: Problem[] = [];
  if (settings.kubelet.config?.registerWithTaints !== undefined) {
    problems.push({
      code: "own-field",
      path: ["kubelet", "config", "registerWithTaints"],
      message: "is written by the toolkit from taints and startupTaint",
      remedy: "use taints and startupTaint",
    });
  }
  const seen = new Set<string>();
  const startup = startupTaintOf(settings);
  if (startup) seen.add(`${startup.key}:${startup.effect}`);
  settings.taints.forEach((taint, index) => {
    const id = `${taint.key}:${taint.effect}`;
    if (seen.has(id)) {
      problems.push({
        code: "duplicate-taint",
        path: ["taints", index],
        message: "has the key and effect of another taint, or of the startup taint; a node has one of each",
        given: toTaintText(taint),
        remedy: "remove it",
      });
    }
    seen.add(id);
  });
  return problems;
}
