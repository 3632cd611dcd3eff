import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { probesOf, Reporter, runCriuChecks, runHealth } from "../health";
import { readAgentSettings } from "../../config/programs/agent";
import { Client, connectByKubeconfig, createLogger } from "../../kube";
import { podIdentity } from "../../clients/registry";
import { settingsIn } from "../../config/programs";
import { VERSION } from "../../config/version";
import { ACCOUNT, EXIT, needed, stopSignal } from "./process";

/** Where the container criu-check writes what the container health-check reads. */
const RESULT = "/run/criu-check/result.json";
/** Version of the tree that this image lays on nodes. */
const IMAGE_TREE = "/usr/local/share/cedana-cdk/criu/VERSION";

interface HealthFlags {
  readonly settings: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly account: string;
  readonly host: string;
  readonly result: string;
  readonly alive: string;
}

/** `agent health`: checks the node in rounds, and keeps the condition of its own pod. */
export function healthCommand(): Command {
  return new Command("health")
    .description("checks the node in rounds, and says in its own pod's condition whether it can checkpoint")
    .requiredOption("--settings <file>", "what to check, as YAML or JSON")
    .option("--kubeconfig <path>", "kubeconfig of the cluster (default: the pod's own account)")
    .option("--context <name>", "context in the kubeconfig")
    .option("--account <folder>", "where ca.crt for the kubelet is", ACCOUNT)
    .option("--host <folder>", "where the host's folders of criuLink and runtimeConfig are mounted", "/host")
    .option("--result <file>", "what check-criu writes", RESULT)
    .option("--alive <file>", "written after each round whose outcome is stored", "/run/health/alive")
    .addHelpText(
      "after",
      "\nEnvironment: NODE_NAME, HOST_IP, POD_NAME, POD_NAMESPACE, POD_UID.\nExit codes: 0 told to stop, 1 failure, 2 bad settings, flags or environment.",
    )
    .action(health);
}

async function health(flags: HealthFlags): Promise<void> {
  const settings = settingsIn(flags.settings, readAgentSettings);
  const [node, hostIp] = [needed("NODE_NAME"), needed("HOST_IP")];
  const pod = { namespace: needed("POD_NAMESPACE"), name: needed("POD_NAME"), uid: needed("POD_UID") };
  const log = createLogger({ level: settings.log.level });
  const stop = stopSignal((signal) => log.info({ signal }, "stopping"));
  const transport = await connectByKubeconfig({
    file: flags.kubeconfig,
    context: flags.context,
    userAgent: `cedana-health-check/${VERSION}`,
  });
  const client = new Client(transport, { fieldManager: "cedana-health-check" });
  const reporter = new Reporter(client, pod);
  const probes = probesOf({
    settings,
    client,
    node,
    hostIp,
    ca: () => readFile(join(flags.account, "ca.crt"), "utf8"),
    host: flags.host,
    criuResult: flags.result,
    identity: podIdentity,
  });
  // The folder outlives the container; what the one before has said is no sign of life of this one.
  await rm(flags.alive, { force: true });
  const { periodSeconds, timeoutSeconds } = settings.health;
  await runHealth(
    {
      probes,
      report: (words, options) => reporter.report(words, options),
      alive: () => writeFile(flags.alive, ""),
      log,
      periodSeconds,
      timeoutSeconds,
    },
    stop,
  );
  process.exit(EXIT.stopped);
}

interface CheckCriuFlags {
  readonly settings: string;
  readonly result: string;
  readonly imageTree: string;
}

/** `agent check-criu`: runs `criu check` of the tree on the node in rounds, for `agent health` in another container. */
export function checkCriuCommand(): Command {
  return new Command("check-criu")
    .description("runs `criu check` of the tree on the node in rounds, and writes each result to a file")
    .requiredOption("--settings <file>", "where the tree is, as YAML or JSON")
    .option("--result <file>", "where the result goes", RESULT)
    .option(
      "--image-tree <file>",
      "version that the tree must have; not asked for if the file is not there",
      IMAGE_TREE,
    )
    .addHelpText(
      "after",
      "\nNeeds root, SYS_ADMIN, NET_ADMIN and a /tmp that it may write to.\nExit codes: 0 told to stop, 1 failure, 2 bad settings or flags.",
    )
    .action(async ({ settings: file, result, imageTree: wanted }: CheckCriuFlags) => {
      const { folder, health: given, log: logging } = settingsIn(file, readAgentSettings);
      const { periodSeconds, timeoutSeconds } = given;
      const log = createLogger({ level: logging.level });
      const stop = stopSignal((signal) => log.info({ signal }, "stopping"));
      await runCriuChecks({ folder, wanted, result, periodSeconds, timeoutSeconds, log }, stop);
      process.exit(EXIT.stopped);
    });
}
