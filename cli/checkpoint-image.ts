import type { Command } from "commander";
import { outputOption, print } from "./options";
import type { CheckpointImageOptions } from "./push-archive";

export function addCheckpointImage(program: Command): void {
  program
    .command("checkpoint-image <archive> <reference>")
    .description(
      "build an image from a kubelet's checkpoint archive and push it; a pod with this image is restored",
    )
    .option("--arch <architecture>", "architecture (amd64, arm64, ...), if the archive does not contain it")
    .option("--docker-config <path>", "Docker config.json with credentials; credential helpers are not run")
    .addOption(outputOption())
    .action(async (archive: string, reference: string, options: CheckpointImageOptions) =>
      print(await (await import("./push-archive.js")).pushCheckpointImage(archive, reference, options)),
    );
}
