import { ApiError } from "../kube/client";
import { CommandError, EXIT } from "./exit";
import { observe } from "./explain-read";
import { report } from "./explain-report";
import { connect } from "./cluster";
import { gateOf, type ClusterChoice } from "./explain-settings";
import { reportText } from "./explain-text";
import { kubectl } from "./shell";

export interface ExplainOptions extends ClusterChoice {
  readonly output: "text" | "json";
}

/**
 * Says why a node waits, or that it does not. Nothing is written.
 * @returns exit code 1 if workloads are kept away, or would come to a node without its agents
 * @throws CommandError (exit code 2) for the file, the kubeconfig, a node that there is not
 */
export async function explainNode(name: string, options: ExplainOptions) {
  const gate = gateOf(options.file);
  const observed = await observe(await connect(options), gate.settings, name).catch(refused);
  if (!observed) throw new CommandError(`the cluster has no node ${name}`, EXIT.badInput);
  const said = report(gate, observed, Date.now(), kubectl(options));
  const text = options.output === "json" ? `${JSON.stringify(said, null, 2)}\n` : reportText(said);
  const open = said.verdict === "ready" || said.verdict === "notGated";
  return { text, exitCode: open ? EXIT.ok : EXIT.differs };
}

/** @throws CommandError with what the API server says */
export function refused(error: unknown): never {
  if (error instanceof ApiError) throw new CommandError(`the API server refuses: ${error.message}`);
  throw new CommandError(`cannot reach the API server: ${(error as Error).message}`);
}
