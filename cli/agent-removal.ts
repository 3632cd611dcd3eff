import { App, Chart } from "cdk8s";
import { toYaml } from "../render/yaml";
import { AgentRemoval } from "../constructs/kubernetes/agent";
import { CommandError, EXIT } from "./errors";
import { loadPlatform } from "./platform-file";

/**
 * The DaemonSet that takes away what the helper has laid on the nodes, as YAML for kubectl.
 * @throws CommandError (exit code 2) if the file has problems, or another engine
 */
export function agentRemoval(file: string): string {
  const { engine, install } = loadPlatform(file).platform;
  if (engine?.kind !== "kubelet") {
    throw new CommandError(
      `${file}: the engine is not kubelet, so nothing of it is on the nodes`,
      EXIT.badInput,
    );
  }
  const chart = new Chart(new App(), "agent-removal");
  new AgentRemoval(chart, "agent-removal", { engine, install });
  return (chart.toJson() as object[]).map((object) => toYaml(object)).join("---\n");
}
