import type { Command } from "commander";
import { fileOption, print } from "./options";

export function addValidate(program: Command): void {
  program
    .command("validate")
    .description("check the platform file and report all its problems")
    .addOption(fileOption())
    .action(async ({ file }: { file: string }) => {
      (await import("./platform-file.js")).loadPlatform(file);
      print(`${file}: no problems\n`);
    });
}
