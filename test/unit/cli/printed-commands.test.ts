import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { INIT_DEFAULTS, initFile } from "../../../cli/init-file";
import { shellWord } from "../../../cli/shell";
import { runCli } from "../../support/cli";

const KUBERNETES = initFile({ ...INIT_DEFAULTS, aws: "none" });
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "printed-commands-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { stdout, stderr, status } = await runCli(args, { folder: cwd, env });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
}

/** Returns the indented commands of an output, each as a shell splits it. */
function commandsIn(output: string): string[][] {
  const lines = output.slice(output.lastIndexOf(":\n") + 2).split("\n");
  return lines.filter((line) => line.startsWith("  ")).map(shellArguments);
}

function shellArguments(command: string): string[] {
  const { stdout } = spawnSync("sh", ["-c", `printf '%s\\n' ${command}`], { encoding: "utf8" });
  return stdout.trimEnd().split("\n");
}

test.each(["plain-1.0/a_b:c", "with space", "it's", "$HOME", "`x`", "a;b", '"', "", "ümlaut", "*"])(
  "shellWord quotes %j for the shell",
  (text) => {
    expect(shellArguments(shellWord(text))).toEqual([text]);
  },
);

test("synth prints commands with paths relative to the working directory, quoted for the shell", async () => {
  const home = join(folder, "the team's files");
  const elsewhere = join(folder, "elsewhere");
  for (const made of [home, elsewhere]) mkdirSync(made);
  writeFileSync(
    join(home, "prod.yaml"),
    initFile(INIT_DEFAULTS).replace("directory: out", "directory: deploy"),
  );
  const file = "../the team's files/prod.yaml";
  const commands = commandsIn(await run(elsewhere, ["synth", "-f", file]));
  const terraform = join(home, "deploy/terraform");
  expect(
    commands
      .slice(0, 2)
      .map(([program, flag = "", verb]) => [program, resolve(elsewhere, flag.replace(/^-chdir=/, "")), verb]),
  ).toEqual([
    ["terraform", terraform, "init"],
    ["terraform", terraform, "apply"],
  ]);
  expect(existsSync(terraform)).toBe(true);
  expect(commands[3]).toEqual(["npx", "cedana-cdk", "diff", "--cluster", "-f", file]);
  const directory = commands[4]?.at(-1) ?? "";
  expect(commands[4]).toEqual(["kubectl", "apply", "--server-side", "-k", directory]);
  expect(existsSync(join(resolve(elsewhere, directory), "kustomization.yaml"))).toBe(true);
  expect(await run(elsewhere, ["diff", "-f", file])).toBe("");
});

test.each([
  ["objects", ["-f", "-f"]],
  ["file", ["-k"]],
])(
  "with policies and the format %s, synth prints commands that apply their kinds first",
  async (format, flags) => {
    const policies = `policies:
    checkpointPolicies:
      - { name: p, namespace: default, trigger: { manual: {} }, action: { checkpoint: {} } }
    clusterCheckpointPolicies:
      - { name: c, trigger: { manual: {} }, filter: { namespaces: [default] }, action: { checkpoint: {} } }
`;
    writeFileSync(join(folder, "cedana.yaml"), KUBERNETES.replace("install:\n", `install:\n  ${policies}`));
    const commands = commandsIn(await run(folder, ["synth", "--format", format]));
    const [first = [], wait = [], all = []] = commands.filter(([program]) => program === "kubectl");
    const crds = ["checkpointpolicies", "clustercheckpointpolicies"].map(
      (one) => `${one}.automation.cedana.ai`,
    );
    const applied = first.slice(3).filter((word) => !word.startsWith("-"));
    expect(first.slice(0, 3)).toEqual(["kubectl", "apply", "--server-side"]);
    expect(first.filter((word) => /^-[fk]$/.test(word))).toEqual(flags);
    for (const path of applied) expect(existsSync(join(folder, path))).toBe(true);
    expect(crds.map((crd) => applied.join().includes(crd))).toEqual(crds.map(() => format === "objects"));
    expect(wait).toEqual([
      "kubectl",
      "wait",
      "--for=condition=Established",
      ...crds.map((crd) => `crd/${crd}`),
    ]);
    expect(all).toEqual(["kubectl", "apply", "--server-side", "-k", "out/kubernetes"]);
  },
);

test.each<[string, (file: string) => readonly [readonly string[], NodeJS.ProcessEnv], readonly string[]]>([
  ["the default file", () => [[], {}], []],
  ["CEDANA_YAML", () => [[], { CEDANA_YAML: "prod.yaml" }], ["-f", "prod.yaml"]],
  [
    "-f cedana.yaml and CEDANA_YAML",
    () => [["-f", "cedana.yaml"], { CEDANA_YAML: "prod.yaml" }],
    ["-f", "cedana.yaml"],
  ],
  ["an absolute path", (file) => [["-f", file], {}], ["-f", "FILE"]],
])("with %s, init and synth print the flag that reads the same file", async (_, make, flag) => {
  const file = join(folder, "prod.yaml");
  const [args, env] = make(file);
  const expected = flag.map((word) => (word === "FILE" ? file : word));
  expect(commandsIn(await run(folder, ["init", ...args], env))).toEqual([
    ["npx", "cedana-cdk", "validate", ...expected],
    ["npx", "cedana-cdk", "synth", ...expected],
  ]);
  for (const name of ["cedana.yaml", "prod.yaml"]) writeFileSync(join(folder, name), KUBERNETES);
  const [diff, apply] = commandsIn(await run(folder, ["synth", "--format", "helm", ...args], env));
  expect(diff).toEqual(["npx", "cedana-cdk", "diff", "--cluster", ...expected]);
  expect(apply).toEqual([
    "helm",
    "upgrade",
    "--install",
    "cedana",
    flag.includes("FILE") ? join(folder, "out/kubernetes") : "out/kubernetes",
  ]);
});
