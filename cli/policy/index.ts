import type { Command } from "commander";
import type { ClusterOptions } from "../cluster";
import { clusterOptions, fileOption, outputOption, print } from "../options";

interface TestOptions extends ClusterOptions {
  readonly file: string;
  readonly pods?: string;
  readonly output: "text" | "json";
}

export function addPolicy(program: Command): void {
  const command = program
    .command("policy")
    .description("evaluate policies that checkpoint pods; writes nothing")
    .command("test")
    .description(
      "show which pods the policies of a file match, why others do not, when they are due, and which Checkpoints they would delete. The file is a platform file, or a manifest of policies",
    )
    .addOption(fileOption())
    .option(
      "--pods <path>",
      "file with pods and namespaces, and for deleteCheckpoints with Checkpoints and workloads, as kubectl get -o yaml prints them (default: the cluster)",
    )
    .addOption(outputOption());
  clusterOptions(command).action(async (options: TestOptions) => {
    const { testPolicies } = await import("./test-policies.js");
    const { text, exitCode } = await testPolicies(options, Date.now());
    print(text);
    process.exitCode = exitCode;
  });
}
