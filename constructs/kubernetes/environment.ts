import type { V1EnvVar } from "@kubernetes/client-node";
import { configHash, secretVariables, variablesOf } from "../../config/engines";
import { namesOf } from "../../config/install";
import type { CedanaInput } from "./input";

type Reader = Parameters<typeof variablesOf>[0];

/** Starts a program anew when what it reads changes. What an existing ConfigMap holds is not known here. */
export function configChecksum(
  { engine, install, native }: CedanaInput,
  reader: Reader,
): Record<string, string> {
  return install.existingConfigMap === undefined
    ? { "checksum/config": configHash(engine, native, reader) }
    : {};
}

/** Environment that a program reads from the ConfigMap and from Secrets. */
export function environment(
  { engine, install, native }: CedanaInput,
  reader: Reader,
  more: Readonly<Record<string, string>>,
): V1EnvVar[] {
  const name = install.existingConfigMap ?? namesOf(install).config;
  return [
    ...variablesOf(reader).map((variable) =>
      // The one key that a ConfigMap made for Cedana's chart does not have.
      variable.key === "plugins-native-version" && install.existingConfigMap !== undefined
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
