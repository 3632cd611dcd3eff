/** What an install must and must not have with the engine `kubelet`. */
import * as v from "../schema/valibot";
import type { Problem, PropertyPath } from "../schema/problem";
import { under } from "../schema/problem";
import { checkpointsSchema } from "./checkpoints";
import { ownVariables } from "./own-variables";
import { gateOwner } from "./readiness-gate";
import { installSchema, type ResolvedInstall } from "./schema";

/** What an API server and the agents' own programs stand on; paths begin with `install` or `engine`. */
export function checkWithKubelet(install: ResolvedInstall): Problem[] {
  return [
    ...checkController(install),
    ...ofCedana(install),
    ...under(
      ["install"],
      [
        ...ownVariables(["helper", "env"], install.helper.env, AGENT_FIELDS),
        ...ownVariables(["healthCheck", "env"], install.healthCheck.env, AGENT_FIELDS),
      ],
    ),
  ];
}

function checkController(install: ResolvedInstall): Problem[] {
  const { controller } = install;
  if (!controller) {
    return [
      {
        code: "missing",
        path: ["install", "controller"],
        message:
          "is required by the engine kubelet: the controller asks the agents for checkpoints, and takes the taint from nodes that are ready",
        allowed: "{ image: { repository, tag or digest } }",
        remedy:
          "build its image (npm run image -- controller) and name it here; with Cedana's engine write engine.kind: cedana",
      },
    ];
  }
  if (gateOwner(install) !== "manager") return [];
  return [
    {
      code: "gate-of-nobody",
      path: ["install", "readinessGate", "owner"],
      message: "is Cedana's manager, which the engine kubelet does not have: nodes would wait for ever",
      given: "manager",
      allowed: "controller, nodeReadinessRule",
      remedy: "leave it out",
    },
  ];
}

/** What the agents learn of their own pod. */
const AGENT_FIELDS = new Set(["NODE_NAME", "HOST_IP", "POD_NAME", "POD_NAMESPACE", "POD_UID"]);

type Property = readonly [path: PropertyPath, of: (install: ResolvedInstall) => unknown, what: string];

const PARTS: readonly Property[] = [
  [["existingConfigMap"], (install) => install.existingConfigMap, "the configuration of Cedana's agent"],
  [["manager"], (install) => install.manager, "Cedana's manager"],
  [["helper", "image"], (install) => install.helper.image, "the image of Cedana's agent"],
  [
    ["helper", "startupTimeoutSeconds"],
    (install) => install.helper.startupTimeoutSeconds,
    "the installation of Cedana's agent",
  ],
  [["helper", "service"], (install) => install.helper.service, "the daemon of Cedana's agent"],
  [["runtimeClass"], (install) => install.runtimeClass || undefined, "Cedana's shim"],
  [["attachAccount"], (install) => install.attachAccount, "Cedana's platform"],
  [["dynamoWatcher"], (install) => install.dynamoWatcher, "Cedana's Dynamo watcher"],
  [["checkpoints", "root"], (install) => checkpointSettings(install).root, "Cedana's manager"],
  [["checkpoints", "locations"], (install) => checkpointSettings(install).locations, "Cedana's agent"],
];

function checkpointSettings({ checkpoints }: ResolvedInstall) {
  return checkpoints || v.parse(checkpointsSchema, {});
}

/** Rejects settings without effect. A setting with its default value is as good as none. */
function ofCedana(install: ResolvedInstall): Problem[] {
  const defaults = v.parse(installSchema, {});
  return PARTS.filter(([, of]) => {
    const given = of(install);
    if (given === undefined || given === false) return false;
    return JSON.stringify(given) !== JSON.stringify(of(defaults));
  }).map(([path, , what]) => ({
    code: "of-other-engine",
    path: ["install", ...path],
    message: `is for ${what}, which the engine kubelet does not have`,
    remedy:
      path[1] === "image"
        ? "leave it out: engine.image is the image"
        : "leave it out, or set engine.kind: cedana",
  }));
}
