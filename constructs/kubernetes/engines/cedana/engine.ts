import { Construct } from "constructs";
import type { EngineProps } from "../../input";
import type { EngineConstruct } from "../engine";
import { CedanaAgent } from "./agent";
import { AttachAccount } from "./attach-account";
import { EngineConfig } from "./config";
import { DynamoWatcher } from "./dynamo-watcher";
import { cedanaInputOf } from "./input";
import { Manager } from "./manager";
import { ManagerRbac } from "./rbac";
import { CedanaRuntimeClass } from "./runtime-class";

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
