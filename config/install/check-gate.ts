/**
 * Checks that exactly one component owns the startup taint, that it can remove it, and that its settings apply to it.
 */
import * as v from "../schema/valibot";
import { tolerates, toTaintText } from "../nodes/taint";
import type { Problem } from "../schema/problem";
import { checkpointsOf } from "./checkpoints";
import { gateOwner, gateTaint, READINESS_PREFIX, readinessGateSchema, retaintSchema } from "./readiness-gate";
import type { ResolvedInstall } from "./schema";

export function checkGate(install: ResolvedInstall): Problem[] {
  return [
    ...checkOwner(install),
    ...checkTaint(install),
    ...checkSupported(install),
    ...checkController(install),
    ...checkAgents(install),
  ];
}

function checkOwner(install: ResolvedInstall): Problem[] {
  const owner = gateOwner(install);
  if (owner === "manager" || install.controller) return [];
  return [
    {
      code: "gate-without-controller",
      path: ["readinessGate", "owner"],
      message: "requires install.controller",
      given: owner,
      remedy: "set install.controller with its image, or remove the owner",
    },
  ];
}

function checkTaint(install: ResolvedInstall): Problem[] {
  const taint = gateTaint(install);
  const owner = gateOwner(install);
  const path = ["readinessGate", "taint"];
  if (owner === "nodeReadinessRule" && !taint.key.startsWith(READINESS_PREFIX)) {
    return [
      {
        code: "unsupported-by-gate-owner",
        path: [...path, "key"],
        message: "is not a key that a NodeReadinessRule supports",
        given: taint.key,
        allowed: `a key that begins with ${READINESS_PREFIX}`,
        remedy: "remove it, and set the same startupTaint for the nodes",
      },
    ];
  }
  if (taint.effect === "NoExecute" && install.readinessGate.retaint) {
    return [
      {
        code: "retaint-evicts",
        path: ["readinessGate", "retaint"],
        message: "evicts all pods of a node when its agent restarts",
        given: `a taint with the effect ${taint.effect}`,
        remedy: "remove it, or set readinessGate.taint.effect: NoSchedule",
      },
    ];
  }
  return [];
}

/** Rejects settings that the owner does not support. A setting with its default value is as good as none. */
function checkSupported(install: ResolvedInstall): Problem[] {
  const owner = gateOwner(install);
  const { dryRun, explainAfterSeconds, failOpenAfterSeconds, retaint } = install.readinessGate;
  const gate = v.parse(readinessGateSchema, {});
  const times = v.parse(retaintSchema, {});
  const unsupported: (readonly [path: readonly string[], given: unknown, usual: unknown])[] =
    owner === "manager"
      ? [
          [["retaint"], retaint, gate.retaint],
          [["failOpenAfterSeconds"], failOpenAfterSeconds, gate.failOpenAfterSeconds],
          [["explainAfterSeconds"], explainAfterSeconds, gate.explainAfterSeconds],
          [["dryRun"], dryRun, gate.dryRun],
        ]
      : owner === "nodeReadinessRule"
        ? [
            [["failOpenAfterSeconds"], failOpenAfterSeconds, gate.failOpenAfterSeconds],
            ...(retaint
              ? ([
                  [["retaint", "holdOffSeconds"], retaint.holdOffSeconds, times.holdOffSeconds],
                  [["retaint", "maxUnreadyPercent"], retaint.maxUnreadyPercent, times.maxUnreadyPercent],
                ] as const)
              : []),
          ]
        : [];
  return unsupported
    .filter(([, given, usual]) => given !== usual)
    .map(([path]) => ({
      code: "unsupported-by-gate-owner",
      path: ["readinessGate", ...path],
      message: "is not supported by this gate owner",
      given: `the owner ${owner}`,
      remedy: "remove it, or set readinessGate.owner: controller, with install.controller",
    }));
}

function checkController(install: ResolvedInstall): Problem[] {
  const { checkpoints, controller } = install;
  const problems: Problem[] = [];
  if (!controller) {
    if (!checkpoints) return [];
    return [
      {
        code: "checkpoints-without-controller",
        path: ["checkpoints"],
        message: "requires install.controller",
        remedy: "set install.controller with its image, or remove checkpoints",
      },
    ];
  }
  if (controller.image.tag === undefined && controller.image.digest === undefined) {
    problems.push({
      code: "missing",
      path: ["controller", "image"],
      message: "has neither tag nor digest",
      given: controller.image.repository,
      allowed: "a digest, or a tag such as 0.1.0",
    });
  }
  if (gateOwner(install) === "manager" && !checkpointsOf(install)) {
    problems.push({
      code: "idle-controller",
      path: ["controller"],
      message: "is unused: the manager owns the gate and checkpoints are disabled",
      remedy: "remove it, or enable checkpoints",
    });
  }
  return problems;
}

/** Agents must tolerate the taint: nodes have it until their agents are Ready. */
function checkAgents(install: ResolvedInstall): Problem[] {
  const taint = gateTaint(install);
  if (install.helper.tolerations.some((toleration) => tolerates(toleration, taint))) return [];
  return [
    {
      code: "gate-not-tolerated",
      path: ["helper", "tolerations"],
      message: "does not tolerate the startup taint",
      allowed: `a toleration of ${toTaintText(taint)}`,
      remedy: `add { key: ${taint.key}, operator: Exists }, or remove tolerations`,
    },
  ];
}
