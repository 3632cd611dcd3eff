import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { gateOwner, gateTaint, gateTimes, READY_CONDITION } from "../../../config/install";
import { toKubeletTaint } from "../../../config/nodes";
import { enabled, installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";

/**
 * A NodeReadinessRule (readiness.node.x-k8s.io/v1alpha1, as of 0.5.0), for `readinessGate.owner: nodeReadinessRule`: the node
 * readiness controller of Kubernetes SIGs removes the taint where the condition that our controller sets is True. That
 * controller and its CRD are not part of the install.
 */
export class ReadinessGate extends Construct {
  readonly rule: ApiObject;

  constructor(scope: Construct, id: string, props: InstallProps = {}) {
    super(scope, id);
    const install = installOf(this, props);
    enabled(
      this,
      ["install", "readinessGate", "owner"],
      gateOwner(install) === "nodeReadinessRule" && install.readinessGate,
    );
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
