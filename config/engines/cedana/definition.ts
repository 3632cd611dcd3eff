import * as v from "../../schema/valibot";
import { featureTableJson, renderFeatureTable } from "../../features";
import type { ResolvedInstall } from "../../install";
import { runtimeHandlerSchema } from "../../nodes/settings";
import type { EngineCapabilities, EngineDefinition, RequiredSecret } from "../engine";
import { checkCedanaEngine } from "./check";
import { cedanaControllerSchema, cedanaControllerSettings } from "./controller";
import { checkCedanaInstall, removesTaint } from "./check-install";
import { cedanaEngineSchema, type ResolvedCedanaEngine } from "./schema";
import { cedanaTemplate } from "./template";

export const CEDANA: EngineDefinition<typeof cedanaEngineSchema, typeof cedanaControllerSchema> = {
  schema: cedanaEngineSchema,
  restoresBy: "runtimeClass",
  runtimeHandler: v.parse(runtimeHandlerSchema, {}) || undefined,
  needsController: false,
  check: checkCedanaEngine,
  checkInstall: checkCedanaInstall,
  capabilities,
  controller: { schema: cedanaControllerSchema, settings: cedanaControllerSettings },
  features: { text: renderFeatureTable, json: featureTableJson },
  template: cedanaTemplate,
};

function capabilities(engine: ResolvedCedanaEngine, install: ResolvedInstall): EngineCapabilities {
  const { awsRegion, checkpointDir, runtimeClass } = engine;
  return {
    storage: {
      in: "path",
      property: ["checkpointDir"],
      location: checkpointDir,
      region: { property: ["awsRegion"], name: awsRegion },
    },
    manager: { removesTaint: removesTaint(engine, install) },
    ...(runtimeClass && { runtimeClassHandler: runtimeClass.handler }),
    secrets: secrets(engine, install),
  };
}

function secrets(
  { secrets: references }: ResolvedCedanaEngine,
  { namespace }: ResolvedInstall,
): RequiredSecret[] {
  const keys = new Map<string, string[]>();
  for (const reference of Object.values(references)) {
    if (reference) keys.set(reference.name, [...(keys.get(reference.name) ?? []), reference.key]);
  }
  return [...keys].map(([name, keysOfSecret]) => ({ namespace, name, keys: keysOfSecret }));
}
