import type { V1EnvVar } from "@kubernetes/client-node";
import { secretVariables, variablesOf } from "../core/engine";
import { namesOf } from "../core/install";
import type { ResolvedInput } from "./input";

/** Environment that a program reads from the ConfigMap and from Secrets. */
export function environment(
  { engine, install }: ResolvedInput,
  reader: Parameters<typeof variablesOf>[0],
  more: Readonly<Record<string, string>>,
): V1EnvVar[] {
  const name = install.existingConfigMap ?? namesOf(install).config;
  return [
    ...variablesOf(reader).map((variable) => ({
      name: variable.name,
      valueFrom: { configMapKeyRef: { name, key: variable.key } },
    })),
    ...secretVariables(engine, reader).map((variable) => ({
      name: variable.name,
      valueFrom: { secretKeyRef: variable.ref },
    })),
    ...Object.entries(more).map(([name, value]) => ({ name, value })),
  ];
}
