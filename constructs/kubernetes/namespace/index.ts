import type { V1Namespace } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { agentNamespace } from "../../../config/install";
import { installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";

/**
 * The namespace of the install, with the Pod Security level that its pods need: `privileged` where the agent runs. If
 * the agent has a separate namespace, the other one enforces `restricted`.
 */
export class SystemNamespace extends Construct {
  /** One, or two if the agent has a separate namespace. */
  readonly namespaces: readonly ApiObject[];

  constructor(scope: Construct, id: string, props: InstallProps = {}) {
    super(scope, id);
    const install = installOf(this, props);
    const agent = agentNamespace(install);
    const levels = new Map([
      [install.namespace, "restricted"],
      [agent, "privileged"],
    ]);
    this.namespaces = [...levels].map(([name, level]) =>
      object<V1Namespace>(this, name, {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: metadata(install, {
          name,
          labels: { "pod-security.kubernetes.io/enforce": level },
        }),
      }),
    );
  }
}
