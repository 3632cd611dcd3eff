import type { Command } from "commander";
import type { ClusterChoice } from "./gate";
import { clusterOptions, fileOption, print } from "./options";
import type { UngateOptions } from "./ungate-nodes";

export function addUngate(program: Command): void {
  const command = program
    .command("ungate")
    .description("remove the readiness taint and condition from all nodes (dry run unless --yes)")
    .addOption(fileOption())
    .option("--yes", "write; without it, a dry run", false)
    .option("--force", "also while the controller runs", false);
  clusterOptions(command).action(async ({ file, ...options }: ClusterChoice & UngateOptions) => {
    const { gateOf } = await import("./gate.js");
    const { clusterError, connect } = await import("./cluster.js");
    const { ungateNodes } = await import("./ungate-nodes.js");
    const gate = gateOf(file);
    print(await ungateNodes(await connect(options), gate, options).catch(clusterError));
  });
}
