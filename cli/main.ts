/** The command line. Commands are loaded when they run: `features` and `--help` load neither cdktf nor cdk8s. */
import { Command, CommanderError, Option } from "commander";
import { createColors } from "picocolors";
import { CommandError, EXIT } from "./exit";
import { DEFAULT_FILE } from "./shell";
import { DEFAULT_ENGINE, ENGINE_KINDS, type EngineKind } from "../config/engine-kinds";
import { VERSION } from "../config/version";

const program = new Command("cedana-cdk")
  .description("Checkpoint and restore on EKS, from one cedana.yaml.")
  .version(VERSION)
  .exitOverride()
  .addHelpText(
    "after",
    "\nExit codes: 0 ok, 1 differs (diff) or waits (explain), 2 bad input, 3 anything else.",
  );

function fileOption(): Option {
  return new Option("-f, --file <path>", "platform file").default(DEFAULT_FILE).env("CEDANA_YAML");
}

function formatOption(): Option {
  return new Option(
    "--format <format>",
    "how Kubernetes objects are written (default: as the file says)",
  ).choices(["objects", "file", "helm"]);
}

program
  .command("init")
  .description("write a commented cedana.yaml; asks nothing when flags are given")
  .addOption(fileOption())
  .addOption(
    new Option("--engine <kind>", `engine that takes checkpoints (default: ${DEFAULT_ENGINE})`).choices(
      ENGINE_KINDS,
    ),
  )
  .option("--name <name>", "name of the EKS cluster")
  .option("--region <region>", "AWS region")
  .option("--kubernetes-version <minor>", "Kubernetes minor version, such as 1.35")
  .option("--admin-arn <arn>", "IAM role that becomes cluster admin")
  .option("--cluster-id <uuid>", "id of the cluster on the Cedana platform (engine cedana)")
  .option("--url <url>", "Cedana platform (engine cedana)")
  .option("--bucket <name>", "bucket of checkpoints (engine cedana)")
  .addOption(
    new Option("--aws <side>", "AWS side: a new cluster, an existing one, or none").choices([
      "new",
      "existing",
      "none",
    ]),
  )
  .option("--gpu", "with a GPU node group")
  .option("--force", "overwrite the file", false)
  .action(async (options) => print(await (await import("./init.js")).init(options)));

program
  .command("validate")
  .description("check the platform file and tell every problem of it")
  .addOption(fileOption())
  .action(async ({ file }: { file: string }) => {
    (await import("./platform-file.js")).loadPlatform(file);
    print(`${file}: no problems\n`);
  });

program
  .command("synth")
  .description("write the Terraform configuration and the Kubernetes manifests")
  .addOption(fileOption())
  .addOption(formatOption())
  .option("--force", "overwrite edited and unmanaged files", false)
  .action(async (options) => print(await (await import("./synth.js")).synth(options)));

program
  .command("diff")
  .description("show what synth would change on disk, or with --cluster in a cluster; writes nothing")
  .addOption(fileOption())
  .addOption(formatOption())
  .option("--cluster", "compare with a cluster, by server-side dry run", false)
  .option("--kubeconfig <path>", "kubeconfig of the cluster (default: as kubectl)")
  .option("--context <name>", "context in the kubeconfig")
  .action(async ({ file, cluster, format, ...options }) => {
    const { text, exitCode } = cluster
      ? await (await import("./diff-cluster.js")).diffWithCluster(file, options)
      : await (await import("./diff.js")).diffWithDisk(file, { format });
    print(coloured(text));
    process.exitCode = exitCode;
  });

program
  .command("explain")
  .description("say why something in a cluster is as it is; writes nothing")
  .command("node <name>")
  .description("say why a node waits for Cedana's agents, and what to run next")
  .addOption(fileOption())
  .addOption(
    new Option("--output <format>", "for people or for programs").choices(["text", "json"]).default("text"),
  )
  .option("--kubeconfig <path>", "kubeconfig of the cluster (default: as kubectl)")
  .option("--context <name>", "context in the kubeconfig")
  .action(async (name: string, options) => {
    const { text, exitCode } = await (await import("./explain.js")).explainNode(name, options);
    print(text);
    process.exitCode = exitCode;
  });

program
  .command("ungate")
  .description(
    "take the readiness gate's taint and condition from all nodes; says what it would do, without --yes",
  )
  .addOption(fileOption())
  .option("--yes", "do it", false)
  .option("--force", "also while the controller runs", false)
  .option("--kubeconfig <path>", "kubeconfig of the cluster (default: as kubectl)")
  .option("--context <name>", "context in the kubeconfig")
  .action(async (options) => print(await (await import("./ungate.js")).ungate(options)));

program
  .command("agent-removal")
  .description("print the DaemonSet that removes the engine's agent from the nodes, for kubectl")
  .addOption(fileOption())
  .action(async ({ file }: { file: string }) =>
    print((await import("./agent-removal.js")).agentRemoval(file)),
  );

program
  .command("checkpoint-image <archive> <reference>")
  .description("make an image of a kubelet's checkpoint archive and push it: a pod with it is restored")
  .option("--arch <architecture>", "amd64, arm64, ...: where the archive does not tell")
  .option("--docker-config <path>", "a Docker config.json with credentials; programs it names are not run")
  .addOption(
    new Option("--output <format>", "for people or programs").choices(["text", "json"]).default("text"),
  )
  .action(async (archive: string, reference: string, options) =>
    print(await (await import("./checkpoint-image.js")).checkpointImage(archive, reference, options)),
  );

program
  .command("features")
  .description("show which features an engine supports")
  .addOption(new Option("--engine <kind>", "engine").choices(ENGINE_KINDS).default("cedana"))
  .option("--json", "as JSON", false)
  .action(async ({ engine, json }: { engine: EngineKind; json: boolean }) => {
    const { features } = (await import("../config/engines/index.js")).ENGINES[engine];
    print(json ? `${JSON.stringify(features.json(), null, 2)}\n` : features.text());
  });

program
  .command("schema")
  .description("print the JSON Schema of cedana.yaml, for editors")
  .action(async () => {
    const { platformJsonSchema } = await import("./schema/index.js");
    print(`${JSON.stringify(platformJsonSchema(), null, 2)}\n`);
  });

function print(text: string): void {
  process.stdout.write(text);
}

function coloured(diff: string): string {
  const { green, red, bold, isColorSupported } = createColors(
    process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "",
  );
  if (!isColorSupported) return diff;
  const paint = (line: string) =>
    /^(---|\+\+\+) /.test(line)
      ? bold(line)
      : line.startsWith("+")
        ? green(line)
        : line.startsWith("-")
          ? red(line)
          : line;
  return diff.split("\n").map(paint).join("\n");
}

function fail(error: unknown): void {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.badInput;
    return;
  }
  if (error instanceof CommandError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.exitCode;
    return;
  }
  const trace = process.env["CEDANA_CDK_TRACE"] === "1";
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  process.stderr.write(`cedana-cdk failed where it should not: ${message}\n`);
  process.stderr.write(trace ? `${stack ?? ""}\n` : "Set CEDANA_CDK_TRACE=1 to see where, and report it.\n");
  process.exitCode = EXIT.failed;
}

/** Runs a command. Its exit code is left in `process.exitCode`. */
export async function main(args: readonly string[]): Promise<void> {
  await program.parseAsync(args, { from: "user" }).catch(fail);
}
