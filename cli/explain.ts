import type { Command } from "commander";
import { CommandError, EXIT } from "./errors";
import type { ClusterChoice } from "./gate";
import { clusterOptions, fileOption, outputOption, print } from "./options";
import type { ExplainPolicyOptions } from "./policy/explain";
import { kubectl } from "./shell";

interface ExplainOptions extends ClusterChoice {
  readonly output: "text" | "json";
}

export function addExplain(program: Command): void {
  const explain = program
    .command("explain")
    .description("explain the state of an object in a cluster; writes nothing");
  addExplainPolicy(explain);
  const command = explain
    .command("node <name>")
    .description("show why a node is gated, and print the next commands")
    .addOption(fileOption())
    .addOption(outputOption());
  clusterOptions(command).action(async (name: string, options: ExplainOptions) => {
    const { text, exitCode } = await explainNode(name, options);
    print(text);
    process.exitCode = exitCode;
  });
}

function addExplainPolicy(explain: Command): void {
  const command = explain
    .command("policy <name>")
    .description(
      "show what a policy does, which pods it matches and why others not, and print the next commands",
    )
    .option("-n, --namespace <name>", "namespace of a CheckpointPolicy (default: a ClusterCheckpointPolicy)")
    .addOption(outputOption());
  clusterOptions(command).action(async (name: string, options: ExplainPolicyOptions) => {
    const { text, exitCode } = await (
      await import("./policy/explain.js")
    ).explainPolicy(name, options, Date.now());
    print(text);
    process.exitCode = exitCode;
  });
}

/**
 * Evaluates a node by the rules of the readiness gate.
 * @returns exit code 1 if the node is gated, or its agents are not Ready although it has no taint
 * @throws CommandError (exit code 2) for the file, the kubeconfig, or a node that does not exist
 */
async function explainNode(name: string, options: ExplainOptions) {
  const { gateOf, observe } = await import("./gate.js");
  const { report, reportText } = await import("./explain-report.js");
  const { clusterError, connect } = await import("./cluster.js");
  const gate = gateOf(options.file);
  const observed = await observe(await connect(options), gate.settings, name).catch(clusterError);
  if (!observed) throw new CommandError(`the cluster has no node ${name}`, EXIT.badInput);
  const result = report(gate, observed, Date.now(), kubectl(options));
  const text = options.output === "json" ? `${JSON.stringify(result, null, 2)}\n` : reportText(result);
  const open = result.verdict === "ready" || result.verdict === "notGated";
  return { text, exitCode: open ? EXIT.ok : EXIT.differs };
}
