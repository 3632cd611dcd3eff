import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { Command } from "commander";
import { runAgent } from "../checkpoints";
import { KubeletClient } from "../../clients/kubelet";
import { readAgentSettings } from "../../config/programs/agent";
import { connectByKubeconfig, createLogger } from "../../kube";
import { podIdentity } from "../../clients/registry";
import { settingsIn } from "../../config/programs";
import { VERSION } from "../../config/version";
import { ACCOUNT, EXIT, needed, stopSignal } from "./process";

interface RunFlags {
  readonly settings: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly account: string;
}

/** `agent run`: works on the NodeCheckpoints of its node. */
export function runCommand(): Command {
  return new Command("run")
    .description("works on the NodeCheckpoints of this node until it is told to stop")
    .requiredOption("--settings <file>", "what to do, as YAML or JSON")
    .option("--kubeconfig <path>", "kubeconfig of the cluster (default: the pod's own account)")
    .option("--context <name>", "context in the kubeconfig")
    .option("--account <folder>", "where token and ca.crt for the kubelet are", ACCOUNT)
    .addHelpText(
      "after",
      "\nEnvironment: NODE_NAME, HOST_IP.\nExit codes: 0 told to stop, 1 failure, 2 bad settings, flags or environment.\nSIGTERM: waits for the kubelet, 20 s at most. A second signal: exits at once.",
    )
    .action(run);
}

async function run({ settings: file, kubeconfig, context, account }: RunFlags): Promise<void> {
  const settings = settingsIn(file, readAgentSettings);
  const [nodeName, host] = [needed("NODE_NAME"), needed("HOST_IP")];
  const log = createLogger({ level: settings.log.level });
  const transport = await connectByKubeconfig({
    file: kubeconfig,
    context,
    userAgent: `cedana-agent/${VERSION}`,
  });
  const kubelet = new KubeletClient({
    url: `https://${isIPv6(host) ? `[${host}]` : host}:${settings.kubelet.port}`,
    token: async () => (await readFile(join(account, "token"), "utf8")).trim(),
    ca: () => readFile(join(account, "ca.crt"), "utf8"),
  });
  const stop = stopSignal((signal) => log.info({ signal }, "stopping"));
  await runAgent(settings, { nodeName, transport, kubelet, identity: podIdentity, log, stop });
  process.exit(EXIT.stopped);
}
