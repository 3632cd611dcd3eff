/** The command of the controller program. */
import { hostname } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import { connectByKubeconfig, createLogger, EXIT, Metrics } from "../kube";
import { runController } from ".";
import { readControllerSettings } from "../config/programs/controller";
import { fail, loadSettings } from "../config/programs";
import { VERSION } from "../config/version";

interface Flags {
  readonly settings: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly metricsPort: number;
  readonly healthPort: number;
  readonly identity: string;
}

/** Runs the program with the flags of the process, and ends it. */
export function main(): void {
  void new Command("controller")
    .description("Controllers of the readiness gate (nodes), checkpoints and restores.")
    .version(VERSION)
    .requiredOption("--settings <file>", "settings, as YAML or JSON")
    .option(
      "--kubeconfig <path>",
      "kubeconfig of the cluster (default: as kubectl, else the pod's ServiceAccount)",
    )
    .option("--context <name>", "context in the kubeconfig")
    .option("--metrics-port <port>", "port of /metrics", port, 8080)
    .option("--health-port <port>", "port of /healthz and /readyz", port, 8081)
    .option("--identity <name>", "holder identity in the Lease", process.env["POD_NAME"] || hostname())
    .addHelpText(
      "after",
      "\nExit codes: 0 stopped by a signal, 1 lost Lease or failure, 2 invalid settings or flags.\nSIGTERM: finishes the work in progress, in at most 10 s. A second signal exits immediately.",
    )
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT.badSettings))
    .action(run)
    .parseAsync()
    .catch((error: unknown) =>
      fail(`controller: ${error instanceof Error ? error.message : String(error)}`, EXIT.failed),
    );
}

async function run(flags: Flags): Promise<void> {
  const settings = loadSettings(flags.settings, readControllerSettings);
  const log = createLogger({ level: settings.log.level });
  const metrics = new Metrics();
  const transport = await connectByKubeconfig({
    file: flags.kubeconfig,
    context: flags.context,
    userAgent: `cedana-controller/${VERSION}`,
    withoutManagedFields: true,
    observe: (request) => metrics.request(request),
  });
  process.exit(
    await runController(settings, transport, { ...flags, log, metrics, webhookProgram: process.argv[1] }),
  );
}

function port(given: string): number {
  const number = Number(given);
  if (/^\d+$/.test(given) && number <= 65_535) return number;
  throw new InvalidArgumentError("A port is a number from 0 (any free port) to 65535.");
}
