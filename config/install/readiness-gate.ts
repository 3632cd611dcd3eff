import * as v from "../schema/valibot";
import { STARTUP_TAINT_DEFAULT, type Taint } from "../nodes/taint";
import { derived, described, integer, labelKey, labelValue, oneOf, shape } from "../schema";

export const retaintSchema = shape({
  holdOffSeconds: described(
    v.optional(integer(0, 3600), 30),
    "Seconds without a Ready agent after which a node gets the taint again. An update takes less.",
  ),
  maxUnreadyPercent: described(
    v.optional(integer(1, 100), 20),
    "Percentage of gated nodes without a Ready agent above which no further node gets the taint: the nodes are not the cause then.",
  ),
});

const taint = shape({
  key: described(
    derived(
      labelKey,
      "cedana.ai/not-ready; with the owner nodeReadinessRule readiness.k8s.io/cedana-not-ready",
    ),
    "Key of the taint.",
  ),
  value: described(v.optional(labelValue, STARTUP_TAINT_DEFAULT.value), "Value of the taint."),
  effect: described(
    v.optional(v.picklist(["NoSchedule", "NoExecute"]), STARTUP_TAINT_DEFAULT.effect),
    "Effect of the taint. NoSchedule keeps pods away. NoExecute also evicts those that already run.",
  ),
});

export const readinessGateSchema = shape({
  owner: described(
    derived(
      v.picklist(["controller", "manager", "nodeReadinessRule"]),
      "controller if install.controller is set, else manager",
    ),
    "Component that removes the taint from nodes whose agents are Ready. controller: that of install.controller. manager: that of the engine, if it has one. nodeReadinessRule: the node readiness controller of Kubernetes SIGs, by a NodeReadinessRule on the condition that install.controller sets.",
  ),
  taint: described(
    v.optional(taint, {}),
    "Taint of gated nodes. It must be the startupTaint of node groups and node pools. Cedana's manager supports cedana.ai/not-ready:NoSchedule only.",
  ),
  retaint: described(
    v.optional(oneOf([v.literal(false), retaintSchema]), false),
    "Whether a node that loses its agent gets the taint again. Not with the owner manager, which always does it.",
  ),
  failOpenAfterSeconds: described(
    derived(integer(60, 86_400), "never"),
    "Seconds after which the taint is removed even if the agents are not Ready. Only with the owner controller.",
  ),
  explainAfterSeconds: described(
    v.optional(integer(0, 86_400), 60),
    "Seconds after which an event reports why a node is still gated. Not with the owner manager.",
  ),
  dryRun: described(
    v.optional(v.boolean(), false),
    "Whether nodes are not changed, and intended changes are only reported. Not with the owner manager.",
  ),
});

export type GateOwner = "controller" | "manager" | "nodeReadinessRule";

/** Prefix that the NodeReadinessRule requires for its taints (v0.5.0, validation of its kind). */
export const READINESS_PREFIX = "readiness.k8s.io/";

/** The Node condition that the controller keeps: True while every agent of the node is Ready. */
export const READY_CONDITION = "CedanaReady";

/** Returns the component that removes the taint of gated nodes. */
export function gateOwner({ controller, readinessGate }: Gated): GateOwner {
  return readinessGate.owner ?? (controller ? "controller" : "manager");
}

/** Returns the taint of gated nodes. */
export function gateTaint(install: Gated): Taint {
  const { key, value, effect } = install.readinessGate.taint;
  const own =
    gateOwner(install) === "nodeReadinessRule"
      ? `${READINESS_PREFIX}cedana-not-ready`
      : STARTUP_TAINT_DEFAULT.key;
  return { key: key ?? own, value, effect };
}

/** Returns the settings of the gate that its owner does not derive. */
export function gateTimes({ readinessGate }: Gated) {
  const { dryRun, explainAfterSeconds, failOpenAfterSeconds, retaint } = readinessGate;
  return {
    retaint,
    ...(failOpenAfterSeconds === undefined ? {} : { failOpenAfterSeconds }),
    explainAfterSeconds,
    dryRun,
  };
}

/** Returns a toleration of the gate's taint, with any value. */
export function gateToleration(install: Gated) {
  const { key, effect } = gateTaint(install);
  return { key, operator: "Exists" as const, effect };
}

/** The settings of an install that decide on its gate. */
interface Gated {
  readonly controller?: object | false | undefined;
  readonly readinessGate: v.InferOutput<typeof readinessGateSchema>;
}
