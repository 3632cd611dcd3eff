import { checkNodeSettings, instanceFacts } from "../nodes/check";
import { RUNTIME_REQUEST_TIMEOUT } from "../nodes/kubelet";
import { findAmi } from "../nodes/ami";
import { parseDuration } from "../schema/quantity";
import { printable, under, type Problem, type PropertyPath } from "../schema/problem";
import { isToken } from "../schema/rule";
import type { ResolvedKarpenter, ResolvedNodePool } from "./schema";

/** Problems of Karpenter's settings as a whole; of each pool as {@link checkNodePool} tells them. */
export function checkKarpenter(
  karpenter: ResolvedKarpenter,
  context: { readonly kubernetesVersion: string },
): Problem[] {
  return karpenter.nodePools.flatMap((pool, index) => {
    const problems = under(["nodePools", index], checkNodePool(pool, context));
    const first = karpenter.nodePools.findIndex(({ name }) => name === pool.name);
    if (first === index) return problems;
    return [
      ...problems,
      {
        code: "duplicate-name",
        path: ["nodePools", index, "name"],
        message: `is the name of pool ${first} already`,
        given: pool.name,
        remedy: "give every pool a name of its own",
      },
    ];
  });
}

/** All problems of a pool that its schema cannot see. */
export function checkNodePool(
  pool: ResolvedNodePool,
  { kubernetesVersion }: { readonly kubernetesVersion: string },
): Problem[] {
  const { architecture, accelerator, problems: facts } = instanceFacts(pool);
  const ami =
    facts.length > 0 ? undefined : findAmi(kubernetesVersion, architecture, accelerator, ["instanceTypes"]);
  return [
    ...(ami?.problems ?? []),
    ...checkNodeSettings(pool),
    ...checkGracePeriod(pool),
    ...checkBudgets(pool),
    ...checkRequirements(pool),
    ...checkLocalStorage(pool),
    ...checkReservations(pool),
    ...checkMaxPods(pool),
  ];
}

function checkGracePeriod(pool: ResolvedNodePool): Problem[] {
  if (!pool.checkpointing) return [];
  const dump = pool.kubelet.config?.runtimeRequestTimeout ?? RUNTIME_REQUEST_TIMEOUT;
  const [graceS, dumpS] = [parseDuration(pool.terminationGracePeriod), parseDuration(dump)];
  if (graceS === undefined || dumpS === undefined || graceS >= dumpS) return [];
  return [
    {
      code: "grace-below-dump",
      path: ["terminationGracePeriod"],
      message: "ends a node while a checkpoint may still run on it",
      given: pool.terminationGracePeriod,
      allowed: `at least ${dump}, the kubelet's runtimeRequestTimeout`,
    },
  ];
}

function checkBudgets({ disruption }: ResolvedNodePool): Problem[] {
  return (disruption.budgets ?? []).flatMap(({ schedule, duration }, index): Problem[] =>
    (schedule === undefined) === (duration === undefined)
      ? []
      : [
          {
            code: "schedule-without-duration",
            path: ["disruption", "budgets", index],
            message: "has only one of schedule and duration",
            remedy: "give both or neither",
          },
        ],
  );
}

/** Requirements that the toolkit writes from other properties. */
const OWN_REQUIREMENTS: Readonly<Record<string, string>> = {
  "kubernetes.io/arch": "instanceTypes",
  "kubernetes.io/os": "nothing: nodes are Linux",
  "node.kubernetes.io/instance-type": "instanceTypes",
  "karpenter.sh/capacity-type": "capacityTypes",
};

function checkRequirements({ requirements }: ResolvedNodePool): Problem[] {
  return requirements.flatMap(({ key, operator, values }, index): Problem[] => {
    const instead = OWN_REQUIREMENTS[key];
    if (instead !== undefined) {
      return [
        {
          code: "own-requirement",
          path: ["requirements", index, "key"],
          message: "is written by the toolkit",
          given: key,
          remedy: `use ${instead}`,
        },
      ];
    }
    const needed =
      operator === "In" || operator === "NotIn" ? "some" : /^(Gt|Lt)e?$/.test(operator) ? "one" : "no";
    const count = values?.length ?? 0;
    const fits = needed === "some" ? count > 0 : needed === "one" ? count === 1 : count === 0;
    if (fits) return needed === "one" ? checkNumber(["requirements", index, "values", 0], values?.[0]) : [];
    return [
      {
        code: "wrong-values",
        path: ["requirements", index, "values"],
        message: `has ${count} items, which does not go with ${operator}`,
        given: `${count}`,
        allowed: needed === "some" ? "at least 1" : needed === "one" ? "exactly 1" : "none",
      },
    ];
  });
}

/** Checks the operand of Gt, Lt, Gte and Lte, which the CRD of Karpenter reads as an integer. */
function checkNumber(path: PropertyPath, value = ""): Problem[] {
  if (isToken(value) || (/^\d+$/.test(value) && Number.isSafeInteger(Number(value)))) return [];
  return [
    {
      code: "not-a-number",
      path,
      message: "is not a whole number",
      given: printable(value),
      allowed: "digits without a unit",
    },
  ];
}

/** Karpenter counts local disks as ephemeral storage only for RAID0, by instanceStorePolicy. */
function checkLocalStorage({ instance }: ResolvedNodePool): Problem[] {
  const storage = instance.localStorage;
  if (storage === undefined || storage.strategy === "RAID0") return [];
  return [
    {
      code: "not-on-karpenter",
      path: ["instance", "localStorage", "strategy"],
      message: "is not known to Karpenter, which would size nodes without their local disks",
      given: storage.strategy,
      allowed: "RAID0",
    },
  ];
}

function checkMaxPods({ kubelet }: ResolvedNodePool): Problem[] {
  if (kubelet.maxPodsExpression === undefined) return [];
  return [
    {
      code: "not-on-karpenter",
      path: ["kubelet", "maxPodsExpression"],
      message: "is not known to Karpenter, which would size nodes for another number of pods",
      given: kubelet.maxPodsExpression,
      allowed: "kubelet.config.maxPods or podsPerCore",
      remedy: "use kubelet.config.maxPods",
    },
  ];
}

function checkReservations({ capacityTypes, capacityReservations }: ResolvedNodePool): Problem[] {
  const reserved = capacityTypes.includes("reserved");
  if (reserved === (capacityReservations !== undefined)) return [];
  return [
    reserved
      ? {
          code: "missing",
          path: ["capacityReservations"],
          message: "is required for the capacity type reserved",
          remedy: "name the reservations by id or tags",
        }
      : {
          code: "unused",
          path: ["capacityReservations"],
          message: "would not be used: capacityTypes lacks reserved",
          remedy: "add reserved to capacityTypes",
        },
  ];
}
