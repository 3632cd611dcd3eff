/** `cedana-cdk crd`: the CustomResourceDefinitions of a cluster, and the version in which their objects are stored. */
import type { Command } from "commander";
import { EXIT } from "../errors";
import type { ClusterChoice } from "../gate";
import { clusterOptions, fileOption, outputOption, print } from "../options";
import type { CrdReport } from "./upgrade";

interface CrdOptions extends ClusterChoice {
  readonly output: "text" | "json";
}

export function addCrd(program: Command): void {
  const crd = program
    .command("crd")
    .description("compare or upgrade the CustomResourceDefinitions of a cluster");
  const command = (name: string, description: string) =>
    clusterOptions(
      crd.command(name).description(description).addOption(fileOption()).addOption(outputOption()),
    );
  command("status", "show versions, objects, and what an upgrade would do; writes nothing").action(
    async (options: CrdOptions) => {
      const reports = await inspectAll(options);
      const { isNoop } = await import("./plan.js");
      await printReports(reports, options);
      process.exitCode = reports.every((one) => isNoop(one)) ? EXIT.ok : EXIT.differs;
    },
  );
  command(
    "upgrade",
    "install the versions of this toolkit, and rewrite all objects into the storage version (dry run unless --yes)",
  )
    .option("--yes", "write; without it, a dry run", false)
    .action(async ({ yes, ...options }: CrdOptions & { readonly yes: boolean }) => {
      const reports = yes ? await upgradeAll(options) : await inspectAll(options);
      await printReports(reports, options);
      if (reports.some(({ problems }) => problems.length > 0)) process.exitCode = EXIT.badInput;
      else if (!yes && options.output === "text")
        print("Nothing was written. Run again with --yes to upgrade.\n");
    });
}

async function inspectAll(options: CrdOptions): Promise<readonly CrdReport[]> {
  const { desired, client, clusterError } = await prepare(options);
  const { inspect } = await import("./upgrade.js");
  const reports = [];
  for (const one of desired) reports.push(await inspect(client, one).catch(clusterError));
  return reports;
}

/** Upgrades one after the other, and none if one of them is rejected. */
async function upgradeAll(options: CrdOptions): Promise<readonly CrdReport[]> {
  const { desired, client, clusterError } = await prepare(options);
  const { inspect, upgrade } = await import("./upgrade.js");
  const before = [];
  for (const one of desired) before.push(await inspect(client, one).catch(clusterError));
  if (before.some(({ problems }) => problems.length > 0)) return before;
  const onStep = (text: string) => void process.stderr.write(`${text}\n`);
  const reports = [];
  for (const one of desired) reports.push(await upgrade(client, one, { onStep }).catch(clusterError));
  return reports;
}

async function prepare(options: CrdOptions) {
  const { desiredCrds } = await import("./desired.js");
  const { clusterError, connect } = await import("../cluster.js");
  const desired = desiredCrds(options.file);
  return { desired, client: await connect(options), clusterError };
}

async function printReports(reports: readonly CrdReport[], { output }: CrdOptions): Promise<void> {
  const { reportText } = await import("./text.js");
  print(output === "json" ? `${JSON.stringify(reports, null, 2)}\n` : reports.map(reportText).join(""));
}
