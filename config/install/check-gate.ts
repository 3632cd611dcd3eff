/** Who holds the taint of nodes that wait: exactly one, who can; and that its settings reach him. */
import * as v from "../schema/valibot";
import { STARTUP_TAINT_DEFAULT, tolerates, toTaintText } from "../nodes/taint";
import type { Problem } from "../schema/problem";
import { checkpointsOf } from "./checkpoints";
import { namesOf } from "./names";
import {
  gateOwner,
  gateTaint,
  managerTaints,
  READINESS_PREFIX,
  readinessGateSchema,
  retaintSchema,
} from "./readiness-gate";
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
  const { controller, manager, readinessGate } = install;
  const owner = gateOwner(install);
  const problems: Problem[] = [];
  if (owner !== "manager" && !controller) {
    problems.push({
      code: "gate-without-controller",
      path: ["readinessGate", "owner"],
      message: "needs the controller of this toolkit, which the install does not have",
      given: owner,
      remedy: "give install.controller with its image, or leave the owner to Cedana's manager",
    });
  }
  if (owner !== "manager" && manager.taintNodes === true) {
    problems.push({
      code: "two-owners",
      path: ["manager", "taintNodes"],
      message: "would put the taint back that another owner of the readiness gate takes away",
      given: `true, with the owner ${owner}`,
      remedy: readinessGate.owner
        ? "leave it out, or leave readinessGate.owner to the manager"
        : "leave it out, or set readinessGate.owner: manager",
    });
  }
  return problems;
}

function checkTaint(install: ResolvedInstall): Problem[] {
  const taint = gateTaint(install);
  const owner = gateOwner(install);
  const { key, effect } = STARTUP_TAINT_DEFAULT;
  const given = toTaintText(taint);
  const path = ["readinessGate", "taint"];
  if (owner === "manager" && managerTaints(install) && (taint.key !== key || taint.effect !== effect)) {
    return [
      {
        code: "taint-unknown-to-owner",
        path,
        message: "is not the taint that Cedana's manager takes away",
        given,
        allowed: `${key}:${effect}`,
        remedy: "leave it out, or give install.controller, which takes away any",
      },
    ];
  }
  if (owner === "nodeReadinessRule" && !taint.key.startsWith(READINESS_PREFIX)) {
    return [
      {
        code: "taint-unknown-to-owner",
        path: [...path, "key"],
        message: "is not a key that a NodeReadinessRule may have",
        given: taint.key,
        allowed: `a key that begins with ${READINESS_PREFIX}`,
        remedy: "leave it out, and give the nodes the same startupTaint",
      },
    ];
  }
  if (taint.effect === "NoExecute" && install.readinessGate.retaint) {
    return [
      {
        code: "retaint-evicts",
        path: ["readinessGate", "retaint"],
        message: "would evict the pods of every node whose agent is away for a while, such as for an update",
        given: `a taint with the effect ${taint.effect}`,
        remedy: "leave it out, or set readinessGate.taint.effect: NoSchedule",
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
      code: "not-heard",
      path: ["readinessGate", ...path],
      message: "is nothing that the owner of the gate can be told",
      given: `the owner ${owner}`,
      remedy: "leave it out, or set readinessGate.owner: controller, with install.controller",
    }));
}

function checkController(install: ResolvedInstall): Problem[] {
  const { checkpoints, controller, manager } = install;
  const problems: Problem[] = [];
  if (!controller) {
    if (!checkpoints) return [];
    return [
      {
        code: "checkpoints-without-controller",
        path: ["checkpoints"],
        message: "needs the controller of this toolkit, which the install does not have",
        remedy: "give install.controller with its image, or leave checkpoints out",
      },
    ];
  }
  if (controller.image.tag === undefined && controller.image.digest === undefined) {
    problems.push({
      code: "missing",
      path: ["controller", "image"],
      message: "does not say which image of the repository",
      given: controller.image.repository,
      allowed: "a digest, or a tag such as 0.1.0",
    });
  }
  if (gateOwner(install) === "manager" && !checkpointsOf(install)) {
    problems.push({
      code: "idle-controller",
      path: ["controller"],
      message: "would have nothing to do: the manager owns the gate, and no checkpoints are acted upon",
      remedy: "leave it out, or leave readinessGate.owner or checkpoints to it",
    });
  }
  if (checkpointsOf(install) && manager.replicas === 0) {
    problems.push({
      code: "checkpoints-without-manager",
      path: ["manager", "replicas"],
      message: "leaves nobody to make the checkpoints that are asked for",
      given: "0",
      remedy: "leave it out, or set install.checkpoints: false",
    });
  }
  if (manager.leaseName === namesOf(install).controller) {
    problems.push({
      code: "duplicate-name",
      path: ["manager", "leaseName"],
      message: "is the name of the controller's Lease: only one of the two would ever lead",
      given: manager.leaseName,
      remedy: "choose another name, or leave it out",
    });
  }
  return problems;
}

/** An agent that does not tolerate the taint never comes to the nodes that wait for it. */
function checkAgents(install: ResolvedInstall): Problem[] {
  const taint = gateTaint(install);
  if (install.helper.tolerations.some((toleration) => tolerates(toleration, taint))) return [];
  return [
    {
      code: "gate-not-tolerated",
      path: ["helper", "tolerations"],
      message: "keeps the agent away from the nodes that wait for it",
      allowed: `a toleration of ${toTaintText(taint)}`,
      remedy: `add { key: ${taint.key}, operator: Exists }, or leave tolerations out`,
    },
  ];
}
