import type { V1RuntimeClass } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { ARCHITECTURE_LABEL, NODE_CHECKPOINT, NODE_RESTORE } from "../../../../api";
import { restoreOf, type ResolvedCriuEngine } from "../../../../config/engines";
import { CRIU_HANDLER, runtimeClassesOf } from "../../../../config/engines/criu";
import type { EngineProps } from "../../input";
import { metadata, object } from "../../object";
import type { EngineConstruct, EngineConstructs } from "../engine";
import { networkPolicies, NodeAgent, NodeAgentRemoval, requestGrants } from "../node-agent";
import { artifactPolicies } from "./artifacts";
import { criuInputOf, nodeAgentInput } from "./input";

export const CRIU_CONSTRUCTS: EngineConstructs<ResolvedCriuEngine> = {
  create: (scope, id, input) => new CriuEngine(scope, id, input),
  checkpointGrants: ({ engine, install }) => ({
    rules: [],
    elsewhere: [
      requestGrants(install, "node-checkpoints", NODE_CHECKPOINT),
      ...(restoreOf(engine, install) ? [requestGrants(install, "node-restores", NODE_RESTORE)] : []),
    ],
  }),
  networkPolicies: (input, settings) => networkPolicies(nodeAgentInput(input), settings),
  createRemoval: (scope, id, input) => new CriuAgentRemoval(scope, id, input),
};

/**
 * RuntimeClasses of restored pods, one for each architecture: a checkpoint can be restored only on its own. Their pods are
 * scheduled only to nodes with the agent, because containerd of other nodes has no such handler.
 */
export class CriuRuntimeClasses extends Construct {
  /** By architecture: amd64, arm64. */
  readonly runtimeClasses: Readonly<Record<string, ApiObject>>;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const { engine, install } = criuInputOf(this, props);
    this.runtimeClasses = Object.fromEntries(
      Object.entries(runtimeClassesOf(engine)).map(([architecture, name]) => [
        architecture,
        object<V1RuntimeClass>(this, architecture, {
          apiVersion: "node.k8s.io/v1",
          kind: "RuntimeClass",
          metadata: metadata(install, { name }),
          handler: CRIU_HANDLER.name,
          scheduling: { nodeSelector: { ...install.nodeSelector, [ARCHITECTURE_LABEL]: architecture } },
        }),
      ]),
    );
  }
}

/** The agent on each node: helper, health check, their settings and permissions. */
export class CriuAgent extends NodeAgent {
  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id, nodeAgentInput(criuInputOf(scope, props)));
  }
}

/**
 * Removes from each node what the helper installed, except the wrapper, and the checkpoints on the node. A pod of its DaemonSet
 * is Running when its node is done.
 */
export class CriuAgentRemoval extends NodeAgentRemoval {
  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id, nodeAgentInput(criuInputOf(scope, props)));
  }
}

/** All objects of the engine `criu`. */
export class CriuEngine extends Construct implements EngineConstruct {
  readonly runtimeClasses: CriuRuntimeClasses;
  readonly agent: CriuAgent;
  /** ValidatingAdmissionPolicies that keep pods from naming checkpoints as images, and their bindings. */
  readonly artifactPolicies: readonly ApiObject[];

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    this.runtimeClasses = new CriuRuntimeClasses(this, "runtime-classes", props);
    this.agent = new CriuAgent(this, "agent", props);
    const { engine, install } = criuInputOf(this, props);
    this.artifactPolicies = artifactPolicies(this, engine, install);
  }
}
