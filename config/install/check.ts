import { checkKueue } from "../integrations";
import { printable, under, type Problem } from "../schema/problem";
import { isToken } from "../schema/rule";
import { rejectSecrets } from "../secret";
import { checkPods, reservedVariables, toleratesGate } from "./check-pods";
import { checkDeletion, checkPolicies } from "./policies";
import { READINESS_PREFIX, gateOwner, gateTaint, readinessGateSchema, retaintSchema } from "./readiness-gate";
import { checkpointsOf, type ResolvedInstall } from "./schema";
import * as v from "../schema/valibot";
import { toTaintText, tolerates } from "../nodes/taint";

/** Maximum length of the name prefix. Names with the longest suffix, `-dynamo-watcher-...`, stay below 63 characters. */
const NAME_LIMIT = 40;
/** Environment variables of the controller that the install sets. */
const CONTROLLER_VARIABLES = new Set(["POD_NAME"]);

/** Checks the install without the engine. */
export function checkInstall(install: ResolvedInstall): Problem[] {
  const { controller, kueue } = install;
  const gate = gateTaint(install);
  return [
    ...checkName(install.name),
    ...checkNamespaces(install),
    ...(controller ? reservedVariables(["controller", "env"], controller.env, CONTROLLER_VARIABLES) : []),
    ...(kueue ? kueue.flavors : []).flatMap(({ tolerations }, index) =>
      toleratesGate(gate, ["kueue", "flavors", index], tolerations),
    ),
    ...checkPods(install),
    ...checkGate(install),
    ...policyProblems(install),
    ...(kueue ? under(["kueue"], checkKueue(kueue, gate)) : []),
    ...rejectSecrets(install),
  ];
}

/** Namespaces of Kubernetes. */
const SYSTEM_NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];

/** Rejects system namespaces: the install changes the labels of its namespaces, and deletes them when it is uninstalled. */
function checkNamespaces({ createNamespace, namespace, agentNamespace }: ResolvedInstall): Problem[] {
  if (!createNamespace) return [];
  return Object.entries({ namespace, agentNamespace })
    .filter(([, name]) => name !== undefined && SYSTEM_NAMESPACES.includes(name))
    .map(([property, name]) => ({
      code: "system-namespace",
      path: [property],
      message: "is a system namespace, which the install must not manage",
      given: printable(name),
      allowed: "another namespace, such as cedana-system",
      remedy: "choose another one, or set createNamespace: false",
    }));
}

function checkName(name: string): Problem[] {
  if (isToken(name)) return [];
  const given = printable(name);
  const path = ["name"];
  return [
    ...(name.length > NAME_LIMIT
      ? [
          {
            code: "name-too-long",
            path,
            message: "is too long for a name prefix",
            given,
            allowed: `at most ${NAME_LIMIT} characters`,
          },
        ]
      : []),
    ...(/^\d/.test(name)
      ? [
          {
            code: "name-begins-with-digit",
            path,
            message: "begins with a digit, which Service names must not",
            given,
            allowed: "a name that begins with a letter",
          },
        ]
      : []),
  ];
}

/** Checks the policies, and rejects those that no controller evaluates. */
function policyProblems(install: ResolvedInstall): Problem[] {
  const { policies } = install;
  const checkpoints = checkpointsOf(install);
  if (!policies) return [];
  if (checkpoints)
    return under(
      ["policies"],
      [
        ...checkPolicies(policies, checkpoints.namespaces),
        ...(checkpoints.deleteArtifacts ? [] : checkDeletion(policies)),
      ],
    );
  return [
    {
      code: "policies-without-checkpoints",
      path: ["policies"],
      message: "has no effect: no Checkpoint objects are reconciled",
      allowed: "false without controller and checkpoints.namespaces",
      remedy: "set controller and checkpoints.namespaces, or remove it",
    },
  ];
}

/** Checks the owner of the readiness gate: that it exists, can remove the taint, and supports its settings. */
export function checkGate(install: ResolvedInstall): Problem[] {
  return [
    ...checkOwner(install),
    ...checkTaint(install),
    ...checkSupported(install),
    ...checkController(install),
    ...checkAgents(install),
  ];
}

/** Checks that the install has the controller that the owner requires. */
function checkOwner(install: ResolvedInstall): Problem[] {
  const owner = gateOwner(install);
  if (owner === "manager" || install.controller) return [];
  return [
    {
      code: "readiness-gate-without-controller",
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
        message: "is not supported by NodeReadinessRules",
        given: taint.key,
        allowed: `a key that begins with ${READINESS_PREFIX}`,
        remedy: "remove it, and set the same startupTaint for the nodes",
      },
    ];
  }
  if (taint.effect === "NoExecute" && install.readinessGate.retaint) {
    return [
      {
        code: "retaint-with-no-execute",
        path: ["readinessGate", "retaint"],
        message: "would evict all pods of a node whose agent restarts",
        given: `a taint with the effect ${taint.effect}`,
        remedy: "remove it, or set readinessGate.taint.effect: NoSchedule",
      },
    ];
  }
  return [];
}

/** Rejects settings that the owner does not support, unless they have their default value. */
function checkSupported(install: ResolvedInstall): Problem[] {
  const owner = gateOwner(install);
  const { dryRun, explainAfterSeconds, retaint, failOpenAfterSeconds: failOpen } = install.readinessGate;
  const failOpenAfterSeconds = failOpen === false ? undefined : failOpen;
  const defaults = v.parse(readinessGateSchema, {});
  const retaintDefaults = v.parse(retaintSchema, {});
  const unsupported: (readonly [path: readonly string[], given: unknown, defaultValue: unknown])[] =
    owner === "manager"
      ? [
          [["retaint"], retaint, defaults.retaint],
          [["failOpenAfterSeconds"], failOpenAfterSeconds, defaults.failOpenAfterSeconds],
          [["explainAfterSeconds"], explainAfterSeconds, defaults.explainAfterSeconds],
          [["dryRun"], dryRun, defaults.dryRun],
        ]
      : owner === "nodeReadinessRule"
        ? [
            [["failOpenAfterSeconds"], failOpenAfterSeconds, defaults.failOpenAfterSeconds],
            ...(retaint
              ? ([
                  [["retaint", "holdOffSeconds"], retaint.holdOffSeconds, retaintDefaults.holdOffSeconds],
                  [
                    ["retaint", "maxUnreadyPercent"],
                    retaint.maxUnreadyPercent,
                    retaintDefaults.maxUnreadyPercent,
                  ],
                ] as const)
              : []),
          ]
        : [];
  return unsupported
    .filter(([, given, defaultValue]) => given !== defaultValue)
    .map(([path]) => ({
      code: "unsupported-by-gate-owner",
      path: ["readinessGate", ...path],
      message: "is not supported by this gate owner",
      given: `the owner ${owner}`,
      remedy: "remove it, or set install.controller and readinessGate.owner: controller",
    }));
}

/** Checks that checkpoints have a controller, and that the controller has an image and a purpose. */
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
      code: "unused-controller",
      path: ["controller"],
      message: "is unused: the manager owns the gate and checkpoints are disabled",
      remedy: "remove it, or enable checkpoints",
    });
  }
  return problems;
}

/** Checks that the agents tolerate the startup taint, which is removed only when they are Ready. */
function checkAgents(install: ResolvedInstall): Problem[] {
  const taint = gateTaint(install);
  if (install.helper.tolerations.some((toleration) => tolerates(toleration, taint))) return [];
  return [
    {
      code: "startup-taint-not-tolerated",
      path: ["helper", "tolerations"],
      message: "does not tolerate the startup taint",
      allowed: `a toleration of ${toTaintText(taint)}`,
      remedy: `add { key: ${taint.key}, operator: Exists }, or remove tolerations`,
    },
  ];
}
