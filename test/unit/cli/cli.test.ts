import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CRIU_FEATURES } from "../../../config";
import { INIT_DEFAULTS, initFile } from "../../../cli/init-file";
import { runCli } from "../../support/cli";
import { expectGolden } from "../../support/golden";
import { ROOT } from "../../support/sources";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cedana-cdk-cli-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => runCli(args, { folder, env });

function give(text: string): void {
  writeFileSync(join(folder, "cedana.yaml"), text);
}

test("init writes the cedana.yaml of the repository", () => {
  // A clone has the schema in dist/, after npm run build; a project in node_modules.
  const here = (text: string) => text.replace("./node_modules/cedana-cdk/dist/", "./dist/");
  expect(readFileSync(join(ROOT, "cedana.yaml"), "utf8")).toBe(here(initFile(INIT_DEFAULTS)));
});

test("init, validate, synth and diff work in sequence", async () => {
  expect(await run(["init", "--name", "demo"])).toMatchObject({ status: 0, stderr: "" });
  expect(await run(["validate"])).toEqual({ status: 0, stdout: "cedana.yaml: no problems\n", stderr: "" });
  const first = await run(["diff"]);
  expect(first.status).toBe(1);
  expect(first.stdout).toContain("+++ b/out/kubernetes/kustomization.yaml");
  const made = await run(["synth"]);
  expect(made).toMatchObject({ status: 0, stderr: "" });
  expectGolden("cli/synth-criu.txt", made.stdout);
  expect(await run(["diff"])).toEqual({ status: 0, stdout: "", stderr: "" });
  const terraform = readFileSync(join(folder, "out/terraform/cdk.tf.json"), "utf8");
  expect(JSON.parse(terraform)).toHaveProperty("resource.aws_eks_cluster");
  expect(terraform).not.toContain(folder);
  expect((await run(["synth"])).stdout).toContain("0 written");
  expect(readFileSync(join(folder, "out/terraform/cdk.tf.json"), "utf8")).toBe(terraform);
  expect(await run(["agent-removal"])).toMatchObject({
    status: 0,
    stdout: expect.stringContaining("- uninstall\n") as string,
  });
});

test("synth passes text with $${ on to Terraform, and scripts with ${ in base64", async () => {
  const script = "#!/bin/sh\\necho ${HOME}";
  give(
    `${initFile(INIT_DEFAULTS).replace("  - name: cpu\n", `  - name: cpu\n    preNodeadm: ["${script}"]\n`)}terraform: { tags: { owner: "$\${text}" } }\n`,
  );
  expect(await run(["synth"])).toMatchObject({ status: 0, stderr: "" });
  const text = readFileSync(join(folder, "out/terraform/cdk.tf.json"), "utf8");
  expect(text).toContain('"owner": "$${text}"');
  const { resource } = JSON.parse(text) as {
    resource: { aws_launch_template: Record<string, { user_data: string }> };
  };
  const [template] = Object.values(resource.aws_launch_template);
  expect(Buffer.from(template?.user_data ?? "", "base64").toString()).toContain("\necho ${HOME}\n");
});

test("synth renders the engine cedana", async () => {
  give(initFile({ ...INIT_DEFAULTS, engine: "cedana", name: "demo", bucket: "demo-checkpoints" }));
  expectGolden("cli/synth.txt", (await run(["synth"])).stdout);
  expect(await run(["agent-removal"])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("the engine cedana has no agent-removal") as string,
  });
});

test("synth --format overrides the file; it reports the problems of all directories and writes nothing", async () => {
  expect((await run(["init", "--name", "demo", "--bucket", "demo-checkpoints"])).status).toBe(0);
  expect((await run(["synth"])).status).toBe(0);
  const kept = readFileSync(join(folder, "out/terraform/cdk.tf.json"), "utf8");
  writeFileSync(join(folder, "out/terraform/cdk.tf.json"), `${kept}\n`);
  writeFileSync(join(folder, "out/kubernetes/kustomization.yaml"), "mine: true\n");
  const rejected = await run(["synth", "--format", "helm"]);
  expect(rejected).toMatchObject({ status: 2, stdout: "" });
  expect(rejected.stderr).toMatch(
    /cdk\.tf\.json {2}was edited by hand[\s\S]*kustomization\.yaml {2}was edited/,
  );
  expect(existsSync(join(folder, "out/kubernetes/Chart.yaml"))).toBe(false);
  expect((await run(["synth", "--format", "helm", "--force"])).stdout).toContain("helm upgrade --install");
  expect(existsSync(join(folder, "out/kubernetes/Chart.yaml"))).toBe(true);
  expect(await run(["diff", "--format", "helm"])).toMatchObject({ status: 0 });
});

test("init rejects an existing file without --force, and invalid flags", async () => {
  give("mine: true\n");
  expect(await run(["init", "--name", "demo"])).toEqual({
    status: 2,
    stdout: "",
    stderr: "cedana.yaml: the file exists; --force overwrites it\n",
  });
  const wrong = await run(["init", "--force", "--region", "mars"]);
  expect(wrong.status).toBe(2);
  expect(wrong.stderr).toContain("is not an AWS region");
  expect(readFileSync(join(folder, "cedana.yaml"), "utf8")).toBe("mine: true\n");
  expect(readdirSync(folder)).toEqual(["cedana.yaml"]);
});

test.each<[readonly string[], string]>([
  [["--name", "Bad Name!"], '--name  is not a valid EKS cluster name; given: "Bad Name!"; '],
  [["--region", "mars"], '--region  is not an AWS region that this toolkit supports; given: "mars"; '],
  [["--kubernetes-version", "1.3"], "--kubernetes-version  "],
  [["--region", "a: b"], '--region  has a character that it must not have; given: "a: b"'],
  [["--engine", "cedana", "--url", "[a"], '--url  has a character that it must not have; given: "[a"'],
  [["--admin-arn", "admins"], "--admin-arn  is not the ARN of an IAM role or"],
  [["--engine", "cedana", "--cluster-id", "a"], "--cluster-id  "],
  [["--engine", "cedana", "--url", "c.example"], "--url  "],
  [["--engine", "cedana", "--bucket", "B"], "--bucket  "],
])("init names the flag of an invalid value: %j", async (flags, expected) => {
  const { status, stdout, stderr } = await run(["init", ...flags]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  const lines = stderr.trimEnd().split("\n");
  expect(lines.at(-1)).toBe("nothing was written");
  expect(lines[0]).toMatch(/^--/);
  expect(lines[0]?.slice(0, expected.length)).toBe(expected);
  expect(readdirSync(folder)).toEqual([]);
});

test.each<[string, readonly string[], string]>([
  ["below a missing directory", ["-f", "sub/deep/x.yaml"], "sub/deep/x.yaml: there is no such directory"],
  ["at a directory", ["-f", ".", "--force"], ".: is a directory, not a file"],
  ["with a name that is too long", ["-f", "x".repeat(300)], ": the path is too long"],
  ["without a name", ["-f", ""], "argument '' is invalid. It is empty."],
  ["with a line break in its name", ["-f", "a\nb.yaml"], "It contains a control character."],
])("init rejects a file %s and leaves nothing behind", async (_, flags, message) => {
  const { status, stdout, stderr } = await run(["init", ...flags]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toContain(message);
  expect(stderr).not.toContain("internal error");
  expect(readdirSync(folder)).toEqual([]);
});

test("init rejects a file below a file", async () => {
  give("mine: true\n");
  const { status, stderr } = await run(["init", "-f", "cedana.yaml/x.yaml"]);
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: "cannot read or write cedana.yaml/x.yaml: it is below a file\n",
  });
});

test.each(["validate", "synth", "diff", "agent-removal"])(
  "%s rejects a platform file with a line break in its name",
  async (command) => {
    writeFileSync(join(folder, "a\nb.yaml"), initFile(INIT_DEFAULTS));
    const { status, stderr } = await run([command, "-f", "a\nb.yaml"]);
    expect(status).toBe(2);
    expect(stderr).toContain("It contains a control character.");
    expect(readdirSync(folder)).toEqual(["a\nb.yaml"]);
  },
);

test.each<[string, string]>([
  ["NUL", '"out\\0"'],
  ["a line break", '"out\\n../../x"'],
  ["a blank at the end", '"out "'],
  ["a blank at the end of a component", '"out /a"'],
  ["a component that is too long", "x".repeat(256)],
  ["a component that is too long in UTF-8", "é".repeat(128)],
  ["a path that is too long", "a/".repeat(600)],
])("validate and synth reject an output directory with %s", async (_, directory) => {
  give(initFile(INIT_DEFAULTS).replace("directory: out", `directory: ${directory}`));
  const validated = await run(["validate"]);
  expect(validated).toMatchObject({ status: 2, stdout: "" });
  expect(validated.stderr).toContain("  output.directory  ");
  const { stderr } = validated;
  expect(await run(["synth"])).toEqual({
    ...validated,
    stderr: stderr.replace(/\n$/, "; nothing was written\n"),
  });
  expect(readdirSync(folder)).toEqual(["cedana.yaml"]);
});

test.each([
  ["cn-north-1", "amazonaws.com.cn", "aws-cn"],
  ["us-gov-west-1", "amazonaws.com", "aws-us-gov"],
])("init writes the DNS suffix and the partition of %s", async (region, suffix, partition) => {
  expect(await run(["init", "--region", region])).toMatchObject({ status: 0, stderr: "" });
  const text = readFileSync(join(folder, "cedana.yaml"), "utf8");
  expect(text).toContain(`repository: 123456789012.dkr.ecr.${region}.${suffix}/checkpoints`);
  expect(text).toContain(`principalArn: arn:${partition}:iam::123456789012:role/`);
  expect(await run(["validate"])).toMatchObject({ status: 0 });
  expect(await run(["synth"])).toMatchObject({ status: 0, stderr: "" });
});

test("init does not prompt without a terminal", async () => {
  expect((await run(["init"])).status).toBe(0);
  expect(readFileSync(join(folder, "cedana.yaml"), "utf8")).toBe(initFile(INIT_DEFAULTS));
});

test.each(["validate", "synth", "diff"])(
  "%s of an invalid file prints every problem to stderr, exits with 2 and writes nothing",
  async (name) => {
    cpSync(join(ROOT, "test/golden/platform/bad/wrong-types.yaml"), join(folder, "cedana.yaml"));
    const { stdout, stderr, status } = await run([name]);
    expect({ stdout, status }).toEqual({ stdout: "", status: 2 });
    const expected = readFileSync(join(ROOT, "test/golden/platform/bad/wrong-types.txt"), "utf8");
    const written = name === "synth" ? "; nothing was written" : "";
    expect(stderr).toBe(`${expected}7 problems in cedana.yaml${written}\n`);
    expect(existsSync(join(folder, "out"))).toBe(false);
  },
);

test.each([
  ["missing.yaml", "missing.yaml: no such file; to create it: npx cedana-cdk init -f missing.yaml\n"],
  [".", ".: is a directory, not a file; did you mean cedana.yaml?\n"],
])("synth rejects %s as a platform file", async (file, stderr) => {
  expect(await run(["synth", "-f", file])).toEqual({ status: 2, stdout: "", stderr });
});

test("synth does not overwrite an edited file without --force", async () => {
  give(initFile({ ...INIT_DEFAULTS, engine: "cedana", aws: "none" }));
  expect((await run(["synth"])).status).toBe(0);
  const file = join(folder, "out/kubernetes/_cluster/runtimeclass-cedana.yaml");
  writeFileSync(file, "edited: true\n");
  give(initFile({ ...INIT_DEFAULTS, engine: "cedana", aws: "none", url: "https://other.cedana.ai" }));
  const rejected = await run(["synth"]);
  expect(rejected.status).toBe(2);
  expect(rejected.stderr).toContain("runtimeclass-cedana.yaml");
  expect(readFileSync(file, "utf8")).toBe("edited: true\n");
  expect((await run(["synth", "--force"])).status).toBe(0);
  expect(readFileSync(file, "utf8")).toContain("RuntimeClass");
});

test.each(["synth", "diff"])("%s rejects a file at the path of the output directory", async (command) => {
  give(initFile({ ...INIT_DEFAULTS, aws: "none" }));
  writeFileSync(join(folder, "out"), "mine");
  const { status, stderr } = await run([command]);
  expect(status).toBe(2);
  expect(stderr).toContain("is or is below a file");
  expect(readFileSync(join(folder, "out"), "utf8")).toBe("mine");
});

test.each(["file", "helm"])("synth writes the format %s", async (format) => {
  give(initFile({ ...INIT_DEFAULTS, aws: "none" }).replace("format: objects", `format: ${format}`));
  expect((await run(["synth"])).status).toBe(0);
  const made = readdirSync(join(folder, "out/kubernetes"));
  expect(made).toContain(format === "helm" ? "Chart.yaml" : "cedana.yaml");
  expect(existsSync(join(folder, "out/terraform"))).toBe(false);
});

test("features prints a table or JSON", async () => {
  const table = await run(["features"]);
  expect(table).toMatchObject({ status: 0, stderr: "" });
  expectGolden("cli/features.txt", table.stdout);
  const { features } = JSON.parse((await run(["features", "--json"])).stdout) as { features: unknown[] };
  expect(features).toHaveLength(CRIU_FEATURES.length);
  const cedana = await run(["features", "--engine", "cedana"]);
  expect(cedana.stdout).toBe(readFileSync(join(ROOT, "test/golden/cli/features-cedana.txt"), "utf8"));
});

test("schema and dashboard print JSON", async () => {
  expect(JSON.parse((await run(["schema"])).stdout)).toHaveProperty("properties.cluster");
  expect(JSON.parse((await run(["dashboard"])).stdout)).toHaveProperty("uid", "cedana-cdk");
});

test("an unknown command or option exits with 2", async () => {
  expect(await run(["sinth"])).toMatchObject({ status: 2, stdout: "" });
  expect((await run(["synth", "--froce"])).stderr).toContain("--force");
  expect(await run(["--version"])).toMatchObject({ status: 0, stdout: "0.1.0\n" });
});
