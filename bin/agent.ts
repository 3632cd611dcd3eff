#!/usr/bin/env node
/** The agent of a node as a program. Its settings are a file: `cedana-cdk` writes it into the install. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { Command } from "commander";
import { runAgent } from "../agent/checkpoints";
import { KubeletClient } from "../clients/kubelet";
import { connectByKubeconfig } from "../clients/kubernetes";
import { formatProblem } from "../constructs/core";
import { readAgentSettings, type AgentSettings } from "../constructs/core/agent";
import { createLogger } from "../controller/runtime";
import { VERSION } from "./commands/version";

interface RunFlags {
  readonly settings: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly account: string;
}

/** How the process ended. */
const EXIT = { stopped: 0, failed: 1, badSettings: 2 } as const;

const program = new Command("agent")
  .description("Takes checkpoints on its node, with the kubelet, for engine kubelet.")
  .version(VERSION)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT.badSettings));

program
  .command("run")
  .description("works on the NodeCheckpoints of this node until it is told to stop")
  .requiredOption("--settings <file>", "what to do, as YAML or JSON")
  .option("--kubeconfig <path>", "kubeconfig of the cluster (default: the pod's own account)")
  .option("--context <name>", "context in the kubeconfig")
  .option(
    "--account <folder>",
    "where token and ca.crt for the kubelet are",
    "/var/run/secrets/kubernetes.io/serviceaccount",
  )
  .addHelpText(
    "after",
    "\nEnvironment: NODE_NAME, HOST_IP.\nExit codes: 0 told to stop, 1 failure, 2 bad settings, flags or environment.\nSIGTERM: waits for the kubelet, 20 s at most. A second signal: exits at once.",
  )
  .action(run);

program
  .parseAsync()
  .catch((error: unknown) =>
    fail(`agent: ${error instanceof Error ? error.message : String(error)}`, EXIT.failed),
  );

async function run({ settings: file, kubeconfig, context, account }: RunFlags): Promise<void> {
  const settings = settingsIn(file);
  const [nodeName, host] = [needed("NODE_NAME"), needed("HOST_IP")];
  const log = createLogger({ level: settings.log.level });
  const client = await connectByKubeconfig({
    file: kubeconfig,
    context,
    userAgent: `cedana-agent/${VERSION}`,
  });
  const kubelet = new KubeletClient({
    url: `https://${isIPv6(host) ? `[${host}]` : host}:${settings.kubelet.port}`,
    token: async () => (await readFile(join(account, "token"), "utf8")).trim(),
    ca: () => readFile(join(account, "ca.crt"), "utf8"),
  });
  const stopping = new AbortController();
  for (const [signal, number] of [
    ["SIGTERM", 15],
    ["SIGINT", 2],
  ] as const)
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(128 + number);
      log.info({ signal }, "stopping");
      stopping.abort(new Error("the agent stops"));
    });
  await runAgent(settings, { nodeName, client, kubelet, identity, log, stop: stopping.signal });
  process.exit(EXIT.stopped);
}

/** Of EKS Pod Identity, as it puts it into the pod. */
async function identity() {
  const uri = process.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"];
  const file = process.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
  if (uri === undefined || file === undefined) return undefined;
  return { uri, token: await readFile(file, "utf8") };
}

function settingsIn(file: string): AgentSettings {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return fail(`${file}: cannot be read: ${(error as Error).message}`, EXIT.badSettings);
  }
  const read = readAgentSettings(text);
  if (!read.problems) return read.value;
  return fail(
    read.problems.map((problem) => `${file}: ${formatProblem(problem)}`).join("\n"),
    EXIT.badSettings,
  );
}

function needed(name: string): string {
  return (
    process.env[name] ||
    fail(`agent: ${name} is not set; in a pod it comes from the downward API`, EXIT.badSettings)
  );
}

function fail(message: string, code: number): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}
