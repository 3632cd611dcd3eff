import { checkNodeSettings, instanceFacts } from "../nodes/check";
import { RUNTIME_REQUEST_TIMEOUT } from "../nodes/kubelet";
import { findAmi } from "../nodes/ami";
import { parseDuration } from "../schema/quantity";
import { printable, under, type Problem, type PropertyPath } from "../schema/problem";
import { isToken } from "../schema/rule";
import type { ResolvedKarpenter, ResolvedNodePool } from "./schema";

/** Checks the settings of Karpenter and each of its pools. */
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
        message: `is already the name of nodePools[${first}]`,
        given: pool.name,
        remedy: "choose a unique name",
      },
    ];
  });
}

/** Checks a pool across several properties. */
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
      code: "grace-period-too-short",
      path: ["terminationGracePeriod"],
      message: "is shorter than the longest checkpoint",
      given: pool.terminationGracePeriod,
      allowed: `at least ${dump}, the runtimeRequestTimeout of the kubelet`,
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
            message: "sets only one of schedule and duration",
            remedy: "set both or neither",
          },
        ],
  );
}

/** Requirements that the toolkit derives, with the remedy. */
const RESERVED_REQUIREMENTS: Readonly<Record<string, string>> = {
  "kubernetes.io/arch": "use instanceTypes",
  "kubernetes.io/os": "remove it: all nodes run Linux",
  "node.kubernetes.io/instance-type": "use instanceTypes",
  "karpenter.sh/capacity-type": "use capacityTypes",
};

function checkRequirements({ requirements }: ResolvedNodePool): Problem[] {
  return requirements.flatMap(({ key, operator, values }, index): Problem[] => {
    const remedy = RESERVED_REQUIREMENTS[key];
    if (remedy !== undefined) {
      return [
        {
          code: "reserved-requirement",
          path: ["requirements", index, "key"],
          message: "is set by the toolkit",
          given: key,
          remedy,
        },
      ];
    }
    const expected =
      operator === "In" || operator === "NotIn" ? "some" : /^(Gt|Lt)e?$/.test(operator) ? "one" : "no";
    const count = values?.length ?? 0;
    const fits = expected === "some" ? count > 0 : expected === "one" ? count === 1 : count === 0;
    if (fits) return expected === "one" ? checkNumber(["requirements", index, "values", 0], values?.[0]) : [];
    return [
      {
        code: "wrong-value-count",
        path: ["requirements", index, "values"],
        message: `has the wrong number of items for the operator ${operator}`,
        given: `${count}`,
        allowed: expected === "some" ? "at least 1" : expected === "one" ? "exactly 1" : "none",
      },
    ];
  });
}

/** Checks the operand of Gt, Lt, Gte and Lte, which must be an integer by the CRD of Karpenter. */
function checkNumber(path: PropertyPath, value = ""): Problem[] {
  if (isToken(value) || (/^\d+$/.test(value) && Number.isSafeInteger(Number(value)))) return [];
  return [
    {
      code: "invalid-number",
      path,
      message: "is not an integer",
      given: printable(value),
      allowed: "digits without a unit",
    },
  ];
}

/** Checks the strategy of local disks: Karpenter counts them as ephemeral storage only with instanceStorePolicy RAID0. */
function checkLocalStorage({ instance }: ResolvedNodePool): Problem[] {
  const storage = instance.localStorage;
  if (storage === undefined || storage.strategy === "RAID0") return [];
  return [
    {
      code: "unsupported-by-karpenter",
      path: ["instance", "localStorage", "strategy"],
      message: "is not supported by Karpenter, which would ignore the local disks",
      given: storage.strategy,
      allowed: "RAID0",
    },
  ];
}

function checkMaxPods({ kubelet }: ResolvedNodePool): Problem[] {
  if (kubelet.maxPodsExpression === undefined) return [];
  return [
    {
      code: "unsupported-by-karpenter",
      path: ["kubelet", "maxPodsExpression"],
      message: "is not supported by Karpenter, which would ignore it",
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
          remedy: "select the reservations by id or tags",
        }
      : {
          code: "unused-capacity-reservation",
          path: ["capacityReservations"],
          message: "has no effect: capacityTypes does not contain reserved",
          remedy: "add reserved to capacityTypes",
        },
  ];
}
