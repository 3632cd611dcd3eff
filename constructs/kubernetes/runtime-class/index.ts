import type { V1RuntimeClass } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";

/**
 * The RuntimeClass of pods that are to be restored. Its pods run only on nodes that have the agent, so that none waits
 * for ever on a node whose containerd does not know the handler. None is made with `runtimeClass: false`.
 */
export class CedanaRuntimeClass extends Construct {
  readonly runtimeClass?: ApiObject;

  constructor(scope: Construct, id: string, props: InstallProps = {}) {
    super(scope, id);
    const install = installOf(this, props);
    const { nodeSelector, runtimeClass } = install;
    if (!runtimeClass) return;
    const { handler, name, overhead, tolerations } = runtimeClass;
    this.runtimeClass = object<V1RuntimeClass>(this, "runtime-class", {
      apiVersion: "node.k8s.io/v1",
      kind: "RuntimeClass",
      metadata: metadata(install, { name }),
      handler,
      scheduling: { nodeSelector, ...(tolerations.length === 0 ? {} : { tolerations }) },
      ...(Object.keys(overhead).length === 0 ? {} : { overhead: { podFixed: overhead } }),
    });
  }
}
