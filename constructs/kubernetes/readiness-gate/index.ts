/**
 * The readiness gate as an object of another controller: Kubernetes SIGs' node readiness controller.
 */
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { gateOwner, gateTaint, gateTimes, READY_CONDITION } from "../../../config/install";
import { toKubeletTaint } from "../../../config/nodes";
import { installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";

/**
 * With `readinessGate.owner: nodeReadinessRule` a NodeReadinessRule (readiness.node.x-k8s.io/v1alpha1, as of 0.5.0): the
 * node readiness controller takes the taint away where the condition that our controller keeps is True. That controller
 * and its kind are not part of the install.
 */
export class ReadinessGate extends Construct {
  /** Undefined with another owner. */
  readonly rule?: ApiObject;

  constructor(scope: Construct, id: string, props: InstallProps = {}) {
    super(scope, id);
    const install = installOf(this, props);
    if (gateOwner(install) !== "nodeReadinessRule") return;
    const { dryRun, retaint } = gateTimes(install);
    this.rule = object(this, "rule", {
      apiVersion: "readiness.node.x-k8s.io/v1alpha1",
      kind: "NodeReadinessRule",
      metadata: metadata(install, { name: install.name }),
      spec: {
        conditions: [{ type: READY_CONDITION, requiredStatus: "True" }],
        enforcementMode: retaint ? "continuous" : "bootstrap-only",
        nodeSelector: { matchLabels: install.nodeSelector },
        taint: toKubeletTaint(gateTaint(install)),
        ...(dryRun ? { dryRun } : {}),
      },
    });
  }
}
