/** Runs the built program in processes; cli.test.ts tests the commands. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INIT_DEFAULTS, initFile } from "../../../cli/init-file";
import { expectGolden } from "../../support/golden";
import { ROOT } from "../../support/sources";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cedana-cdk-cli-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}, program = "cedana-cdk.js") {
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(ROOT, "dist/bin", program), ...args], {
    cwd: folder,
    encoding: "utf8",
    env: { PATH: process.env["PATH"], ...env },
  });
  return { stdout, stderr, status };
}

test("prints no deprecation warning of a dependency: cdktf calls util.isArray, which Node >= 22 deprecates", () => {
  const hook = join(folder, "hook.cjs");
  writeFileSync(
    hook,
    `require("node:util").isArray = (value) => {
      process.emitWarning("util.isArray is deprecated", "DeprecationWarning", "DEP0044");
      require("node:fs").writeFileSync(${JSON.stringify(`${hook}.called`)}, "");
      return Array.isArray(value);
    };`,
  );
  run(["init"]);
  expect(run(["synth"], { NODE_OPTIONS: `--require=${hook}` })).toMatchObject({ status: 0, stderr: "" });
  expect(existsSync(`${hook}.called`)).toBe(true);
});

test("init, validate, diff and synth work in the built program", () => {
  expect(run(["init"])).toMatchObject({ status: 0, stderr: "" });
  expect(readFileSync(join(folder, "cedana.yaml"), "utf8")).toBe(initFile(INIT_DEFAULTS));
  expect(run(["init", "--name", "demo", "--force"])).toMatchObject({ status: 0, stderr: "" });
  expect(run(["validate"])).toEqual({ status: 0, stdout: "cedana.yaml: no problems\n", stderr: "" });
  expect(run(["diff"])).toMatchObject({
    status: 1,
    stdout: expect.stringContaining("+++ b/out/kubernetes/kustomization.yaml") as string,
  });
  const made = run(["synth"]);
  expect(made).toMatchObject({ status: 0, stderr: "" });
  expectGolden("cli/synth-criu.txt", made.stdout);
  expect(run(["diff"])).toEqual({ status: 0, stdout: "", stderr: "" });
  const terraform = readFileSync(join(folder, "out/terraform/cdk.tf.json"), "utf8");
  expect(JSON.parse(terraform)).toHaveProperty("resource.aws_eks_cluster");
  expect(terraform).not.toContain(folder);
});

test.each(["schema", "diff"])("%s ends without a message if the reader closes the pipe", (command) => {
  run(["init"]);
  const program = [process.execPath, join(ROOT, "dist/bin/cedana-cdk.js"), command].join(" ");
  const script = `${program} | head -c 1 >/dev/null`;
  const { stderr } = spawnSync("sh", ["-c", script], { cwd: folder, encoding: "utf8" });
  expect(stderr).toBe("");
});

test.each([
  ["of 0 bytes", ""],
  ["without content", "# nothing\n"],
])("diff --cluster rejects a kubeconfig %s", (_, text) => {
  run(["init", "--aws", "none"]);
  writeFileSync(join(folder, "kubeconfig"), text);
  expect(run(["diff", "--cluster", "--kubeconfig", "kubeconfig"])).toEqual({
    status: 2,
    stdout: "",
    stderr: "cannot use the kubeconfig: it is empty\n",
  });
});

test("invalid input exits with 2 and writes nothing", () => {
  writeFileSync(
    join(folder, "cedana.yaml"),
    readFileSync(join(ROOT, "test/golden/platform/bad/wrong-types.yaml")),
  );
  const { stdout, stderr, status } = run(["synth"]);
  expect({ stdout, status }).toEqual({ stdout: "", status: 2 });
  expect(stderr).toContain("7 problems in cedana.yaml");
  expect(existsSync(join(folder, "out"))).toBe(false);
  expect(run(["sinth"])).toMatchObject({ status: 2, stdout: "" });
  expect(run(["--version"])).toMatchObject({ status: 0, stdout: "0.1.0\n" });
});

test("diff --cluster without a kubeconfig exits with 2", () => {
  writeFileSync(join(folder, "cedana.yaml"), initFile({ ...INIT_DEFAULTS, aws: "none" }));
  const { status, stderr } = run(["diff", "--cluster", "--kubeconfig", "none"], { HOME: folder });
  expect(status).toBe(2);
  expect(stderr).toMatch(/^cannot use the kubeconfig: /);
  expect(stderr).not.toContain("    at ");
  expect(run(["diff", "--cluster"], { HOME: folder, KUBECONFIG: "" }).stderr).toBe(
    "cannot use the kubeconfig: none found; set --kubeconfig or KUBECONFIG, create ~/.kube/config (aws eks update-kubeconfig), or run in a pod with a ServiceAccount\n",
  );
});

test("each platform file is a separate stack in the cdktf app", () => {
  writeFileSync(join(folder, "prod.yaml"), initFile(INIT_DEFAULTS));
  expect(run([], { CEDANA_YAML: "prod.yaml" }, "aws.js").status).toBe(0);
  const file = join(folder, "cdktf.out/stacks/platform-prod/cdk.tf.json");
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({
    terraform: {
      backend: { local: { path: expect.stringContaining("/terraform.platform-prod.tfstate") as string } },
    },
  });
});
