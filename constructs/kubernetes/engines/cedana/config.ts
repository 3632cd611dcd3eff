import type { V1ConfigMap, V1EnvVar } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { configData, configHash, secretVariables, variablesOf } from "../../../../config/engines/cedana";
import { agentNamespace } from "../../../../config/install";
import type { EngineProps } from "../../input";
import { metadata, object } from "../../object";
import { cedanaInputOf, type CedanaInput } from "./input";

/**
 * The engine's configuration as its programs read it: a ConfigMap in each namespace that has any of them. It contains no
 * secret values: pods refer to the Secrets.
 */
export class EngineConfig extends Construct {
  /** Empty with `existingConfigMap`. */
  readonly configMaps: readonly ApiObject[];
  /** SHA-256 of the whole configuration. Each pod has that of the part which it reads as annotation `checksum/config`. */
  readonly hash: string;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const { engine, install, names, native } = cedanaInputOf(this, props);
    this.hash = configHash(engine, native);
    const namespaces = new Set([install.namespace, agentNamespace(install)]);
    this.configMaps =
      engine.existingConfigMap === undefined
        ? [...namespaces].map((namespace) =>
            object<V1ConfigMap>(this, namespace, {
              apiVersion: "v1",
              kind: "ConfigMap",
              metadata: metadata(install, { name: names.config, namespace }),
              data: configData(engine, native),
            }),
          )
        : [];
  }
}

type Reader = Parameters<typeof variablesOf>[0];

/** Returns the annotation that restarts a program when its configuration changes. The content of an existing ConfigMap is unknown. */
export function configChecksum({ engine, native }: CedanaInput, reader: Reader): Record<string, string> {
  return engine.existingConfigMap === undefined
    ? { "checksum/config": configHash(engine, native, reader) }
    : {};
}

/** Returns the environment that a program reads from the ConfigMap and from Secrets. */
export function environment(
  { engine, names, native }: CedanaInput,
  reader: Reader,
  more: Readonly<Record<string, string>>,
): V1EnvVar[] {
  const name = engine.existingConfigMap ?? names.config;
  return [
    ...variablesOf(reader).map((variable) =>
      // The only key that a ConfigMap of Cedana's chart does not have.
      variable.key === "plugins-native-version" && engine.existingConfigMap !== undefined
        ? { name: variable.name, value: native }
        : { name: variable.name, valueFrom: { configMapKeyRef: { name, key: variable.key } } },
    ),
    ...secretVariables(engine, reader).map((variable) => ({
      name: variable.name,
      valueFrom: { secretKeyRef: variable.ref },
    })),
    ...Object.entries(more).map(([name, value]) => ({ name, value })),
  ];
}
