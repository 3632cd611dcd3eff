import type { V1ConfigMap } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { configData, configHash } from "../../../config/engines";
import { agentNamespace, namesOf } from "../../../config/install";
import { cedanaInputOf, type EngineProps } from "../input";
import { metadata, object } from "../object";

/**
 * The engine's configuration as the programs of the install read it: a ConfigMap, in each namespace that has any of
 * them. Secret values are not in it; pods refer to the Secrets themselves.
 */
export class EngineConfig extends Construct {
  /** Empty if the ConfigMap exists already (`existingConfigMap`). */
  readonly configMaps: readonly ApiObject[];
  /**
   * SHA-256 of the whole configuration. Pods carry that of the part which they read as the annotation `checksum/config`.
   */
  readonly hash: string;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const { engine, install, native } = cedanaInputOf(this, props);
    this.hash = configHash(engine, native);
    const namespaces = new Set([install.namespace, agentNamespace(install)]);
    this.configMaps =
      install.existingConfigMap === undefined
        ? [...namespaces].map((namespace) =>
            object<V1ConfigMap>(this, namespace, {
              apiVersion: "v1",
              kind: "ConfigMap",
              metadata: metadata(install, { name: namesOf(install).config, namespace }),
              data: configData(engine, native),
            }),
          )
        : [];
  }
}
