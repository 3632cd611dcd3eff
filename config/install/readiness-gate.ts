import * as v from "valibot";
import { STARTUP_TAINT_DEFAULT, type Taint } from "../nodes/taint";
import { described, integer, labelKey, labelValue, oneOf, shape } from "../schema";
import type { ResolvedInstall } from "./schema";

const retaint = shape({
  holdOffSeconds: described(
    v.optional(integer(0, 3600)),
    "How long an agent may be away before its node gets the taint again: an update takes less. Default: 30.",
  ),
  maxUnreadyPercent: described(
    v.optional(integer(1, 100)),
    "Share of the gated nodes without agent above which no further one gets the taint, because the fault is not the nodes'. Default: 20.",
  ),
});

const taint = shape({
  key: described(
    v.optional(labelKey),
    "Key of the taint. Default: cedana.ai/not-ready; with the owner nodeReadinessRule readiness.k8s.io/cedana-not-ready.",
  ),
  value: described(v.optional(labelValue, STARTUP_TAINT_DEFAULT.value), "Value of the taint."),
  effect: described(
    v.optional(v.picklist(["NoSchedule", "NoExecute"]), STARTUP_TAINT_DEFAULT.effect),
    "NoSchedule keeps pods away; NoExecute also evicts those that got in.",
  ),
});

export const readinessGateSchema = shape({
  owner: described(
    v.optional(v.picklist(["controller", "manager", "nodeReadinessRule"])),
    "Who takes the taint from nodes whose agents are Ready. controller: that of install.controller. manager: Cedana's manager. nodeReadinessRule: the node readiness controller of Kubernetes SIGs, by a NodeReadinessRule on the condition that install.controller keeps. Default: controller if there is one, else manager.",
  ),
  taint: described(
    v.optional(taint, {}),
    "The taint of nodes that wait. It must be the startupTaint of node groups and node pools. Cedana's manager knows cedana.ai/not-ready:NoSchedule only.",
  ),
  retaint: described(
    v.optional(oneOf([v.literal(false), retaint])),
    "Whether a node that loses an agent later gets the taint again. Not with the owner manager, which does so anyway. Default: no.",
  ),
  failOpenAfterSeconds: described(
    v.optional(integer(60, 86_400)),
    "After how long the taint goes although the agents are not Ready. Owner controller only. Default: never.",
  ),
  explainAfterSeconds: described(
    v.optional(integer(0, 86_400)),
    "After how long of waiting an event says why. Not with the owner manager. Default: 60.",
  ),
  dryRun: described(
    v.optional(v.boolean()),
    "Whether nodes stay as they are and it is only said what would be done. Not with the owner manager. Default: no.",
  ),
});

export type GateOwner = "controller" | "manager" | "nodeReadinessRule";

/** Prefix that the NodeReadinessRule wants its taints to have (v0.5.0, validation of its kind). */
export const READINESS_PREFIX = "readiness.k8s.io/";

/** The Node condition that the controller keeps: True while every agent of the node is Ready. */
export const READY_CONDITION = "CedanaReady";

/** Who holds the taint of nodes that wait. */
export function gateOwner({ controller, readinessGate }: Gated): GateOwner {
  return readinessGate.owner ?? (controller ? "controller" : "manager");
}

/** The taint of nodes that wait. */
export function gateTaint(install: Gated): Taint {
  const { key, value, effect } = install.readinessGate.taint;
  const own =
    gateOwner(install) === "nodeReadinessRule"
      ? `${READINESS_PREFIX}cedana-not-ready`
      : STARTUP_TAINT_DEFAULT.key;
  return { key: key ?? own, value, effect };
}

/** Whether Cedana's manager holds the taint. */
export function managerTaints(install: Gated & Pick<ResolvedInstall, "manager">): boolean {
  return install.manager.taintNodes ?? gateOwner(install) === "manager";
}

/** The gate without what only its owner knows, with every default filled in. */
export function gateTimes({ readinessGate }: Gated) {
  const { dryRun = false, explainAfterSeconds = 60, failOpenAfterSeconds, retaint = false } = readinessGate;
  const { holdOffSeconds = 30, maxUnreadyPercent = 20 } = retaint || {};
  return {
    retaint: retaint && { holdOffSeconds, maxUnreadyPercent },
    ...(failOpenAfterSeconds === undefined ? {} : { failOpenAfterSeconds }),
    explainAfterSeconds,
    dryRun,
  };
}

/** Tolerates the gate's taint, whatever its value. */
export function gateToleration(install: Gated) {
  const { key, effect } = gateTaint(install);
  return { key, operator: "Exists" as const, effect };
}

type Gated = Pick<ResolvedInstall, "controller" | "readinessGate">;
