/** Checks of node settings across several properties: instance types, root volume, timeouts, kubelet flags, duplicates. */
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

/** Returns whether a service and a runtime handler of the nodes restore containers by plans. */
export function restoresByPlan({
  checkpointing,
  engine,
}: Pick<NodeSettings, "checkpointing" | "engine">): boolean {
  return checkpointing && definitionOf({ kind: engineOf({ engine }) }).restoresBy === "plan";
}

const MAC = /^mac\d/;

/**
 * Returns architecture and accelerator of the instance types. Has a problem for each unknown type, and for each type that
 * differs from the first known one.
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
            ? {
                message: "is a Mac instance, which cannot be an EKS node",
                remedy: "choose another instance type",
              }
            : {
                message: "is of an unknown instance family",
                remedy: "set architecture and accelerator",
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
        message: `is ${facts.architecture}, but ${reference} is ${architecture}`,
        given: type,
        remedy: "create a separate group for each architecture: a group has one AMI",
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
    facts.accelerator === "none" ? "has no supported accelerator" : `has ${facts.accelerator} devices`;
  return {
    code: "mixed-accelerators",
    path,
    message: `${has}, but ${
      settings.accelerator === undefined ? "earlier types require" : "accelerator requires"
    } ${AMI_NAMES[accelerator]}`,
    given: type,
    allowed: `instance types for ${AMI_NAMES[accelerator]}`,
    remedy:
      settings.accelerator === undefined
        ? "create a separate group for each kind of accelerator"
        : "remove accelerator: it is derived from the instance types",
  };
}

/** Checks the node settings that managed node groups and Karpenter share. */
export function checkNodeSettings(settings: NodeSettings): Problem[] {
  return [
    ...instanceFacts(settings).problems,
    ...repeated(settings.instanceTypes, ["instanceTypes"]),
    ...checkRootVolume(settings.rootVolume),
    ...checkTimeouts(settings),
    ...checkFlags(settings.kubelet.flags ?? []),
    ...checkTaints(settings),
    ...checkHandlerBinary(settings),
  ];
}

/** Checks that the handler of nodes that restore by plans calls the wrapper, which carries out the plans. */
function checkHandlerBinary(settings: NodeSettings): Problem[] {
  const handler = runtimeHandlerOf(settings);
  const own = definitionOf({ kind: engineOf(settings) }).runtimeHandler;
  if (!restoresByPlan(settings) || handler === undefined || own?.binary === undefined) return [];
  if (handler.binary === own.binary && handler.runtimePath === own.runtimePath) return [];
  return [
    {
      code: "runtime-handler-mismatch",
      path: ["runtimeHandler", handler.binary === own.binary ? "runtimePath" : "binary"],
      message: `does not restore pods of the engine ${engineOf(settings)}`,
      allowed: `{ name: ${own.name}, runtimePath: ${own.runtimePath}, binary: ${own.binary}, podAnnotations: ${JSON.stringify(own.podAnnotations ?? [])} }`,
      remedy: "remove runtimeHandler: the engine has its own",
    },
  ];
}

/** Checks the root volume by the limits of EBS volume types (EC2 API, CreateVolume). */
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
      code: "unsupported-by-volume-type",
      message: `is not supported for ${type}`,
      given: `${throughputMiBps}`,
      allowed: "only with gp3",
      remedy: "remove it, or set type: gp3",
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
      message: `is out of range for ${type} with ${sizeGiB} GiB`,
      given: `${iops}`,
      allowed: `${limits.least} to ${most}`,
    });
  }
  const mostThroughput = Math.floor(0.25 * (iops ?? 3000));
  if (type === "gp3" && throughputMiBps !== undefined && throughputMiBps > mostThroughput) {
    problem("throughputMiBps", {
      code: "out-of-range",
      message: "is more than 0.25 MiB/s per IOPS",
      given: `${throughputMiBps}`,
      allowed: `up to ${mostThroughput} with ${iops ?? 3000} iops`,
      remedy: `set iops to at least ${throughputMiBps * 4}`,
    });
  }
  return problems;
}

function checkTimeouts({ kubelet }: Pick<NodeSettings, "kubelet">): Problem[] {
  const { shutdownGracePeriod, shutdownGracePeriodCriticalPods, shutdownGracePeriodByPodPriority } =
    kubelet.config ?? {};
  const path = (name: string): PropertyPath => ["kubelet", "config", name];
  const problems: Problem[] = [];
  const totalS = parseDuration(shutdownGracePeriod ?? "");
  const criticalS = parseDuration(shutdownGracePeriodCriticalPods ?? "");
  if (totalS !== undefined && criticalS !== undefined && criticalS > totalS) {
    problems.push({
      code: "out-of-range",
      path: path("shutdownGracePeriodCriticalPods"),
      message: "is longer than shutdownGracePeriod, of which it is a part",
      given: shutdownGracePeriodCriticalPods,
      allowed: `up to ${shutdownGracePeriod}`,
    });
  }
  if (shutdownGracePeriodByPodPriority !== undefined && shutdownGracePeriod !== undefined) {
    problems.push({
      code: "mutually-exclusive",
      path: path("shutdownGracePeriodByPodPriority"),
      message: "conflicts with shutdownGracePeriod; the kubelet would not start",
      remedy: "remove one of the two",
    });
  }
  return problems;
}

/** Flags that override fields that the toolkit sets, with the property to use instead. */
const RESERVED_FLAGS: Readonly<Record<string, string>> = {
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
    const property = RESERVED_FLAGS[name];
    if (!name.startsWith("--")) {
      return [
        {
          code: "invalid-kubelet-flag",
          path: ["kubelet", "flags", index],
          message: "is not a kubelet flag",
          given: printable(flag),
          allowed: "--name=value in one item",
        },
      ];
    }
    if (property === undefined) return [];
    return [
      {
        code: "reserved-flag",
        path: ["kubelet", "flags", index],
        message: "would override a field that the toolkit sets",
        given: printable(flag),
        remedy: `use ${property}`,
      },
    ];
  });
}

function checkTaints(settings: NodeSettings): Problem[] {
  const problems: Problem[] = [];
  if (settings.kubelet.config?.registerWithTaints !== undefined) {
    problems.push({
      code: "reserved-field",
      path: ["kubelet", "config", "registerWithTaints"],
      message: "is set by the toolkit",
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
        message: "has the key and effect of another taint",
        given: toTaintText(taint),
        remedy: "remove it",
      });
    }
    seen.add(id);
  });
  return problems;
}
