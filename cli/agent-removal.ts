import { App, Chart } from "cdk8s";
import { constructsOf } from "../constructs/kubernetes/engines";
import { inputOf } from "../constructs/kubernetes/input";
import { toYaml } from "../render/yaml";
import { CommandError, EXIT } from "./errors";
import { loadPlatform } from "./platform-file";

/**
 * Returns the DaemonSet that removes from the nodes what the helper installed, as YAML for kubectl.
 * @throws CommandError (exit code 2) if the file has problems, or an engine without such a DaemonSet
 */
export function agentRemoval(file: string): string {
  const { engine, install } = loadPlatform(file).platform;
  if (!engine) throw new CommandError(`${file}: has no engine`, EXIT.badInput);
  const constructs = constructsOf(engine);
  if (!constructs.createRemoval) {
    throw new CommandError(`${file}: the engine ${engine.kind} has no agent-removal`, EXIT.badInput);
  }
  const chart = new Chart(new App(), "agent-removal");
  constructs.createRemoval(chart, "agent-removal", inputOf(chart, { engine, install }));
  return (chart.toJson() as object[]).map((object) => toYaml(object)).join("---\n");
}
