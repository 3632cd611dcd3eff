import { setFlagsFromString } from "node:v8";
import { Command } from "commander";
import { fail, loadSettings } from "../../config/programs";
import { EXIT, connectByKubeconfig, createLogger } from "../../kube";
import { runAgent } from "../run";
import { readAgentSettings } from "../../config/programs/agent";
import { podIdentity } from "../../clients/registry";
import { VERSION } from "../../config/version";

/** Returns an environment variable. Exits if it is not set. */
export function requiredEnv(name: string): string {
  return (
    process.env[name] || fail(`agent: ${name} is not set; set it from the downward API`, EXIT.badSettings)
  );
}

/** Returns a signal that SIGTERM or SIGINT aborts. A second one of them exits immediately. */
export function stopSignal(onSignal: (signal: string) => void): AbortSignal {
  const stopping = new AbortController();
  for (const [signal, number] of [
    ["SIGTERM", 15],
    ["SIGINT", 2],
  ] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(128 + number);
      onSignal(signal);
      stopping.abort(new Error("the agent is stopping"));
    });
  }
  return stopping.signal;
}

/**
 * Lets the heap grow to six times what is in use before the next full collection. The heap is small, and V8 counts the buffers of
 * a download as its growth: without this it collects after each 16 MiB, which takes 40 % of the processor time of a pull.
 */
const HEAP_GROWTH = "--heap-growing-percent=500";

interface RunFlags {
  readonly settings: string;
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** `agent run`: does what objects of its node request. */
export function runCommand(): Command {
  return new Command("run")
    .description(
      "takes the checkpoints, and prepares the restores, that objects of this node request, until a signal",
    )
    .requiredOption("--settings <file>", "settings, as YAML or JSON")
    .option("--kubeconfig <path>", "kubeconfig of the cluster (default: the ServiceAccount of the pod)")
    .option("--context <name>", "context in the kubeconfig")
    .addHelpText(
      "after",
      "\nEnvironment: NODE_NAME.\nExit codes: 0 stopped by a signal, 1 failure, 2 invalid settings, flags or environment.\nSIGTERM: waits for requests on the node, 20 s at most. A second signal: exits immediately.",
    )
    .action(run);
}

async function run({ settings: file, kubeconfig, context }: RunFlags): Promise<void> {
  setFlagsFromString(HEAP_GROWTH);
  const settings = loadSettings(file, readAgentSettings);
  const nodeName = requiredEnv("NODE_NAME");
  const log = createLogger({ level: settings.log.level });
  const transport = await connectByKubeconfig({
    file: kubeconfig,
    context,
    userAgent: `cedana-agent/${VERSION}`,
    withoutManagedFields: true,
  });
  const stop = stopSignal((signal) => log.info({ signal }, "stopping"));
  await runAgent(settings, { nodeName, transport, identity: podIdentity, log, stop });
  process.exit(EXIT.stopped);
}
