import type { Command } from "commander";
import { print } from "../options";

export function addSchema(program: Command): void {
  program
    .command("schema")
    .description("print the JSON Schema of cedana.yaml, for editors")
    .action(async () => {
      const { platformJsonSchema } = await import("./input-schema.js");
      print(`${JSON.stringify(platformJsonSchema(), null, 2)}\n`);
    });
}
