import { Option, type Command } from "commander";
import { DEFAULT_ENGINE, ENGINE_KINDS, type EngineKind } from "../config/engine-kinds";
import { print } from "./options";

export function addFeatures(program: Command): void {
  program
    .command("features")
    .description("print the features that an engine supports")
    .addOption(new Option("--engine <kind>", "engine").choices(ENGINE_KINDS).default(DEFAULT_ENGINE))
    .option("--json", "print JSON", false)
    .action(async ({ engine, json }: { engine: EngineKind; json: boolean }) => {
      const { features } = (await import("../config/engines/index.js")).ENGINES[engine];
      print(json ? `${JSON.stringify(features.json(), null, 2)}\n` : features.text());
    });
}
