import { Construct } from "constructs";
import type { EngineProps } from "../../input";
import type { EngineConstruct } from "../engine";
import { KubeletAgent } from "./agent";

/** All objects of the engine `kubelet`. */
export class KubeletEngine extends Construct implements EngineConstruct {
  readonly agent: KubeletAgent;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    this.agent = new KubeletAgent(this, "agent", props);
  }
}
