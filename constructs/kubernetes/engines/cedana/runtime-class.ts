import type { V1RuntimeClass } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { enabled, type EngineProps } from "../../input";
import { metadata, object } from "../../object";
import { cedanaInputOf } from "./input";

/**
 * The RuntimeClass of pods to restore. Its pods are scheduled only to nodes with the agent, because on other nodes
 * containerd has no such handler.
 */
export class CedanaRuntimeClass extends Construct {
  readonly runtimeClass: ApiObject;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const { engine, install } = cedanaInputOf(this, props);
    const { nodeSelector } = install;
    const runtimeClass = enabled(this, ["engine", "runtimeClass"], engine.runtimeClass);
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
