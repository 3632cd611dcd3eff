import * as v from "../schema/valibot";
import { STARTUP_TAINT_DEFAULT, type Taint } from "../nodes/taint";
import { derived, described, integer, labelKey, labelValue, oneOf, shape } from "../schema";

export const retaintSchema = shape({
  holdOffSeconds: described(
    v.optional(integer(0, 3600), 30),
    "Seconds without a Ready agent after which a node is tainted again. An update of the agents takes less.",
  ),
  maxUnreadyPercent: described(
    v.optional(integer(1, 100), 20),
    "Percentage of gated nodes without a Ready agent above which no further node is tainted: the cause is then not a single node.",
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
    "Effect of the taint. NoSchedule: no new pods. NoExecute: running pods are also evicted.",
  ),
});

export const readinessGateSchema = shape({
  owner: described(
    derived(
      v.picklist(["controller", "manager", "nodeReadinessRule"]),
      "controller if install.controller is set, else manager",
    ),
    "Component that removes the taint from nodes whose agents are Ready. controller: the controller of install.controller. manager: the manager of the engine, if it has one. nodeReadinessRule: the node readiness controller of Kubernetes SIGs, by a NodeReadinessRule for the condition that install.controller sets.",
  ),
  taint: described(
    v.optional(taint, {}),
    "Taint of gated nodes. It must match startupTaint of node groups and node pools. Cedana's manager supports only cedana.ai/not-ready:NoSchedule.",
  ),
  retaint: described(
    v.optional(oneOf([v.literal(false), retaintSchema]), false),
    "Whether a node without a Ready agent is tainted again. Not with the owner manager, which always does so.",
  ),
  failOpenAfterSeconds: described(
    derived(oneOf([v.literal(false), integer(60, 86_400)]), "1800 with the owner controller, else false"),
    "Seconds after which the taint is removed even if the agents are not Ready. false: never. Only with the owner controller.",
  ),
  explainAfterSeconds: described(
    v.optional(integer(0, 86_400), 60),
    "Seconds after which an event reports why a node is still gated. Not with the owner manager.",
  ),
  dryRun: described(
    v.optional(v.boolean(), false),
    "Whether the controller only reports changes of nodes without making them. Not with the owner manager.",
  ),
});

export type GateOwner = "controller" | "manager" | "nodeReadinessRule";

/** Prefix of taint keys that a NodeReadinessRule requires (v0.5.0, validation of the CRD). */
export const READINESS_PREFIX = "readiness.k8s.io/";

/** Node condition that the controller sets: True while all agents of the node are Ready. */
export const READY_CONDITION = "CedanaReady";

/** Returns the component that removes the taint of gated nodes. */
export function gateOwner({ controller, readinessGate }: Gated): GateOwner {
  return readinessGate.owner ?? (controller ? "controller" : "manager");
}

/** Returns the taint of gated nodes. */
export function gateTaint(install: Gated): Taint {
  const { key, value, effect } = install.readinessGate.taint;
  const defaultKey =
    gateOwner(install) === "nodeReadinessRule"
      ? `${READINESS_PREFIX}cedana-not-ready`
      : STARTUP_TAINT_DEFAULT.key;
  return { key: key ?? defaultKey, value, effect };
}

/** Default of failOpenAfterSeconds: long enough for the start of a node and the pull of its images. */
const FAIL_OPEN_SECONDS = 1800;

/** Returns the settings of the gate other than owner and taint. */
export function gateTimes(install: Gated) {
  const { dryRun, explainAfterSeconds, retaint, failOpenAfterSeconds } = install.readinessGate;
  const failOpen = gateOwner(install) === "controller" && (failOpenAfterSeconds ?? FAIL_OPEN_SECONDS);
  return {
    retaint,
    ...(failOpen !== false && { failOpenAfterSeconds: failOpen }),
    explainAfterSeconds,
    dryRun,
  };
}

/** Returns a toleration of the gate's taint with any value. */
export function gateToleration(install: Gated) {
  const { key, effect } = gateTaint(install);
  return { key, operator: "Exists" as const, effect };
}

/** The settings of an install that decide on its gate. */
interface Gated {
  readonly controller?: object | false | undefined;
  readonly readinessGate: v.InferOutput<typeof readinessGateSchema>;
}
