import type { V1RuntimeClass } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { enabled, type EngineProps } from "../../input";
import { metadata, object } from "../../object";
import { cedanaInputOf, checkpointGrants } from "./input";
import type { ResolvedCedanaEngine } from "../../../../config/engines/cedana";
import type { EngineConstruct, EngineConstructs } from "../engine";
import { networkPolicies } from "./network-policies";
import { CedanaAgent } from "./agent";
import { AttachAccount } from "./attach-account";
import { EngineConfig } from "./config";
import { DynamoWatcher } from "./dynamo-watcher";
import { Manager } from "./manager";
import { ManagerRbac } from "./rbac";

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

/** All objects of the engine `cedana`. */
export class CedanaEngine extends Construct implements EngineConstruct {
  /** Undefined with `runtimeClass: false`. */
  readonly runtimeClass?: CedanaRuntimeClass;
  readonly config: EngineConfig;
  readonly rbac: ManagerRbac;
  readonly agent: CedanaAgent;
  readonly manager: Manager;
  /** Only with `dynamoWatcher`. */
  readonly dynamoWatcher?: DynamoWatcher;
  /** Only with `attachAccount`. */
  readonly attachAccount?: AttachAccount;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const { engine } = cedanaInputOf(this, props);
    if (engine.runtimeClass) this.runtimeClass = new CedanaRuntimeClass(this, "runtime-class", props);
    this.config = new EngineConfig(this, "config", props);
    this.rbac = new ManagerRbac(this, "rbac", props);
    this.agent = new CedanaAgent(this, "agent", props);
    this.manager = new Manager(this, "manager", props);
    if (engine.dynamoWatcher) this.dynamoWatcher = new DynamoWatcher(this, "dynamo-watcher", props);
    if (engine.attachAccount) this.attachAccount = new AttachAccount(this, "attach-account", props);
  }
}

/** Row of the engine in the table of engines. */
export const CEDANA_CONSTRUCTS: EngineConstructs<ResolvedCedanaEngine> = {
  create: (scope, id, input) => new CedanaEngine(scope, id, input),
  checkpointGrants,
  networkPolicies,
};
