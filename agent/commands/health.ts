import { rm, writeFile } from "node:fs/promises";
import { Command } from "commander";
import { probesOf, Reporter, runCriuChecks, runHealth } from "../health";
import { readAgentSettings } from "../../config/programs/agent";
import { Client, connectByKubeconfig, createLogger, EXIT } from "../../kube";
import { NodeServiceClient } from "../../clients/node-service";
import { podIdentity } from "../../clients/registry";
import { loadSettings } from "../../config/programs";
import { VERSION } from "../../config/version";
import { requiredEnv, stopSignal } from "./run";

/** The file that container criu-check writes and container health-check reads. */
const RESULT = "/run/criu-check/result.json";
/** Version of the CRIU tree in this image. */
const IMAGE_TREE = "/usr/local/share/cedana-cdk/criu/VERSION";

interface HealthFlags {
  readonly settings: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly host: string;
  readonly result: string;
  readonly alive: string;
  readonly reported: string;
}

/** `agent health`: checks the node in rounds and reports the result in the condition of its own pod. */
export function healthCommand(): Command {
  return new Command("health")
    .description(
      "checks in rounds whether the node can checkpoint, and reports it in the condition of its own pod",
    )
    .requiredOption("--settings <file>", "settings, as YAML or JSON")
    .option("--kubeconfig <path>", "kubeconfig of the cluster (default: the ServiceAccount of the pod)")
    .option("--context <name>", "context in the kubeconfig")
    .option(
      "--host <directory>",
      "mount point of the host's directories of criuLink and runtimeConfig",
      "/host",
    )
    .option("--result <file>", "result of check-criu", RESULT)
    .option("--alive <file>", "written after the checks of each round", "/run/health/alive")
    .option(
      "--reported <file>",
      "written after each round whose status the API server has",
      "/run/health/reported",
    )
    .addHelpText(
      "after",
      "\nEnvironment: NODE_NAME, POD_NAME, POD_NAMESPACE, POD_UID.\nExit codes: 0 stopped by a signal, 1 failure, 2 invalid settings, flags or environment.",
    )
    .action(health);
}

async function health(flags: HealthFlags): Promise<void> {
  const settings = loadSettings(flags.settings, readAgentSettings);
  const node = requiredEnv("NODE_NAME");
  const pod = {
    namespace: requiredEnv("POD_NAMESPACE"),
    name: requiredEnv("POD_NAME"),
    uid: requiredEnv("POD_UID"),
  };
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
    host: flags.host,
    criuResult: flags.result,
    identity: podIdentity,
  });
  // The volume outlives the container: remove the files of a previous one.
  for (const file of [flags.alive, flags.reported]) await rm(file, { force: true });
  const { periodSeconds, timeoutSeconds, warnOnly } = settings.health;
  await runHealth(
    {
      probes,
      report: (condition, options) => reporter.report(condition, options),
      isStored: (status) => reporter.isStored(status),
      alive: () => writeFile(flags.alive, ""),
      reported: () => writeFile(flags.reported, ""),
      log,
      warnOnly,
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

/** `agent check-criu`: runs the node's `criu check` in rounds, for `agent health` in another container. */
export function checkCriuCommand(): Command {
  return new Command("check-criu")
    .description("runs the node's `criu check` in rounds, and writes each result to a file")
    .requiredOption("--settings <file>", "settings, as YAML or JSON")
    .option("--result <file>", "file for the result", RESULT)
    .option(
      "--image-tree <file>",
      "file with the version that the tree must have; not checked if the file is missing",
      IMAGE_TREE,
    )
    .addHelpText(
      "after",
      "\nNeeds root, SYS_ADMIN, NET_ADMIN and a writable /tmp.\nExit codes: 0 stopped by a signal, 1 failure, 2 invalid settings or flags.",
    )
    .action(async ({ settings: file, result, imageTree }: CheckCriuFlags) => {
      const settings = loadSettings(file, readAgentSettings);
      const { periodSeconds, timeoutSeconds } = settings.health;
      const log = createLogger({ level: settings.log.level });
      const stop = stopSignal((signal) => log.info({ signal }, "stopping"));
      const node = new NodeServiceClient(settings.stateSocket);
      await runCriuChecks(
        {
          folder: settings.folder,
          imageTree,
          service: (signal) => node.state(signal),
          result,
          periodSeconds,
          timeoutSeconds,
          log,
        },
        stop,
      );
      process.exit(EXIT.stopped);
    });
}
