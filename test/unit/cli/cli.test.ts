import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INIT_DEFAULTS, initFile } from "../../../cli/init-file";
import { expectGolden } from "../../support/golden";
import { ROOT } from "../../support/sources";

const PROGRAM = join(ROOT, "dist/bin/cedana-cdk.js");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cedana-cdk-cli-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [PROGRAM, ...args], {
    cwd: folder,
    encoding: "utf8",
    env: { PATH: process.env["PATH"], ...env },
  });
  return { stdout, stderr, status };
}

function give(text: string): void {
  writeFileSync(join(folder, "cedana.yaml"), text);
}

test("the cedana.yaml of the repository is what init writes", () => {
  expect(readFileSync(join(ROOT, "cedana.yaml"), "utf8")).toBe(initFile(INIT_DEFAULTS));
});

test("init, validate, synth, diff: one after the other", () => {
  expect(run(["init", "--name", "demo"])).toMatchObject({ status: 0, stderr: "" });
  expect(run(["validate"])).toEqual({ status: 0, stdout: "cedana.yaml: no problems\n", stderr: "" });
  const first = run(["diff"]);
  expect(first.status).toBe(1);
  expect(first.stdout).toContain("+++ b/out/kubernetes/kustomization.yaml");
  const made = run(["synth"]);
  expect(made).toMatchObject({ status: 0, stderr: "" });
  expectGolden("cli/synth-kubelet.txt", made.stdout);
  expect(run(["diff"])).toEqual({ status: 0, stdout: "", stderr: "" });
  const terraform = readFileSync(join(folder, "out/terraform/cdk.tf.json"), "utf8");
  expect(JSON.parse(terraform)).toHaveProperty("resource.aws_eks_cluster");
  expect(terraform).not.toContain(folder);
  expect(run(["synth"]).stdout).toContain("0 written");
  expect(readFileSync(join(folder, "out/terraform/cdk.tf.json"), "utf8")).toBe(terraform);
  expect(run(["agent-removal"])).toMatchObject({
    status: 0,
    stdout: expect.stringContaining("- uninstall\n") as string,
  });
}, 60_000);

test("the engine cedana, asked for by name", () => {
  give(initFile({ ...INIT_DEFAULTS, engine: "cedana", name: "demo", bucket: "demo-checkpoints" }));
  expectGolden("cli/synth.txt", run(["synth"]).stdout);
  expect(run(["agent-removal"])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("the engine is not kubelet") as string,
  });
}, 30_000);

test("--format overrides the file; problems of all directories are reported together and nothing is written", () => {
  expect(run(["init", "--name", "demo", "--bucket", "demo-checkpoints"]).status).toBe(0);
  expect(run(["synth"]).status).toBe(0);
  const kept = readFileSync(join(folder, "out/terraform/cdk.tf.json"), "utf8");
  writeFileSync(join(folder, "out/terraform/cdk.tf.json"), `${kept}\n`);
  writeFileSync(join(folder, "out/kubernetes/kustomization.yaml"), "mine: true\n");
  const refused = run(["synth", "--format", "helm"]);
  expect(refused).toMatchObject({ status: 2, stdout: "" });
  expect(refused.stderr).toMatch(
    /cdk\.tf\.json {2}was edited by hand[\s\S]*kustomization\.yaml {2}was edited/,
  );
  expect(existsSync(join(folder, "out/kubernetes/Chart.yaml"))).toBe(false);
  expect(run(["synth", "--format", "helm", "--force"]).stdout).toContain("helm upgrade --install");
  expect(existsSync(join(folder, "out/kubernetes/Chart.yaml"))).toBe(true);
  expect(run(["diff", "--format", "helm"])).toMatchObject({ status: 0 });
}, 30_000);

test("init neither overwrites a file without --force nor writes an invalid one", () => {
  give("mine: true\n");
  expect(run(["init", "--name", "demo"])).toEqual({
    status: 2,
    stdout: "",
    stderr: "cedana.yaml: exists already; --force overwrites it\n",
  });
  const wrong = run(["init", "--force", "--region", "mars"]);
  expect(wrong.status).toBe(2);
  expect(wrong.stderr).toContain("is not the name of an AWS region");
  expect(readFileSync(join(folder, "cedana.yaml"), "utf8")).toBe("mine: true\n");
  expect(readdirSync(folder)).toEqual(["cedana.yaml"]);
});

test("init asks nothing where there is no terminal", () => {
  expect(run(["init"]).status).toBe(0);
  expect(readFileSync(join(folder, "cedana.yaml"), "utf8")).toBe(initFile(INIT_DEFAULTS));
});

test.each(["validate", "synth", "diff"])(
  "%s of a bad file: every problem to stderr, 2, nothing written",
  (name) => {
    cpSync(join(ROOT, "test/golden/platform/bad/wrong-types.yaml"), join(folder, "cedana.yaml"));
    const { stdout, stderr, status } = run([name]);
    expect({ stdout, status }).toEqual({ stdout: "", status: 2 });
    const expected = readFileSync(join(ROOT, "test/golden/platform/bad/wrong-types.txt"), "utf8");
    expect(stderr).toBe(`${expected}7 problems in cedana.yaml; nothing was written\n`);
    expect(existsSync(join(folder, "out"))).toBe(false);
  },
);

test.each([
  ["missing.yaml", "missing.yaml: no such file; to create it: npx cedana-cdk init -f missing.yaml\n"],
  [".", ".: is a directory, not a file; did you mean cedana.yaml?\n"],
])("synth refuses %s in place of a platform file", (file, stderr) => {
  expect(run(["synth", "-f", file])).toEqual({ status: 2, stdout: "", stderr });
});

test("synth does not overwrite an edited file without --force", () => {
  give(initFile({ ...INIT_DEFAULTS, engine: "cedana", aws: "none" }));
  expect(run(["synth"]).status).toBe(0);
  const file = join(folder, "out/kubernetes/_cluster/runtimeclass-cedana.yaml");
  writeFileSync(file, "edited: true\n");
  give(initFile({ ...INIT_DEFAULTS, engine: "cedana", aws: "none", url: "https://other.cedana.ai" }));
  const refused = run(["synth"]);
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain("runtimeclass-cedana.yaml");
  expect(readFileSync(file, "utf8")).toBe("edited: true\n");
  expect(run(["synth", "--force"]).status).toBe(0);
  expect(readFileSync(file, "utf8")).toContain("RuntimeClass");
}, 20_000);

test.each(["synth", "diff"])("%s refuses a file in place of the output directory", (command) => {
  give(initFile({ ...INIT_DEFAULTS, aws: "none" }));
  writeFileSync(join(folder, "out"), "mine");
  const { status, stderr } = run([command]);
  expect(status).toBe(2);
  expect(stderr).toContain("is or is below a file");
  expect(readFileSync(join(folder, "out"), "utf8")).toBe("mine");
});

test.each(["file", "helm"])("format %s", (format) => {
  give(initFile({ ...INIT_DEFAULTS, aws: "none" }).replace("format: objects", `format: ${format}`));
  expect(run(["synth"]).status).toBe(0);
  const made = readdirSync(join(folder, "out/kubernetes"));
  expect(made).toContain(format === "helm" ? "Chart.yaml" : "cedana.yaml");
  expect(existsSync(join(folder, "out/terraform"))).toBe(false);
});

test("features as a table and as JSON", () => {
  const table = run(["features"]);
  expect(table).toEqual({
    status: 0,
    stderr: "",
    stdout: readFileSync(join(ROOT, "test/golden/cli/features.txt"), "utf8"),
  });
  const { features } = JSON.parse(run(["features", "--json"]).stdout) as { features: unknown[] };
  expect(features).toHaveLength(34);
  expect(run(["features", "--engine", "kubelet"]).stdout).toContain("Restore into a new pod");
});

test("schema prints the editor's schema", () => {
  expect(JSON.parse(run(["schema"]).stdout)).toHaveProperty("properties.cluster");
});

test("an unknown command or option is bad input", () => {
  expect(run(["sinth"])).toMatchObject({ status: 2, stdout: "" });
  expect(run(["synth", "--froce"]).stderr).toContain("--force");
  expect(run(["--version"])).toMatchObject({ status: 0, stdout: "0.1.0\n" });
});

test("diff --cluster says that there is no cluster, without a trace", () => {
  give(initFile({ ...INIT_DEFAULTS, aws: "none" }));
  const { status, stderr } = run(["diff", "--cluster", "--kubeconfig", "none"], { HOME: folder });
  expect(status).toBe(2);
  expect(stderr).toMatch(/^cannot use the kubeconfig: /);
  expect(stderr).not.toContain("    at ");
  expect(run(["diff", "--cluster"], { HOME: folder, KUBECONFIG: "" }).stderr).toBe(
    "cannot use the kubeconfig: there is none: give --kubeconfig, set KUBECONFIG, write ~/.kube/config (aws eks update-kubeconfig), or run in a pod with a service account\n",
  );
});
