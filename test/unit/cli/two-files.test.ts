import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INIT_DEFAULTS, initFile, type InitAnswers } from "../../../cli/init-file";
import { CONFIGURATION, stackOf, terraformFiles } from "../../../cli/terraform";
import { readPlatform, type PlatformFile } from "../../../config/platform/file";
import { runCli } from "../../support/cli";
import type { TerraformJson } from "../../support/terraform-json";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "two-files-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const cedanaCdk = (...args: readonly string[]) => runCli(args, { folder });

function give(file: string, text: string): void {
  writeFileSync(join(folder, file), text);
}

/** Returns the files of a directory. */
function contents(directory: string): Record<string, string> {
  const entries = readdirSync(join(folder, directory), { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.map((path) => [path, readFileSync(path, "utf8")]));
}

test("synth rejects the output directory of another platform file, also with --force", async () => {
  give("cedana.yaml", initFile({ ...INIT_DEFAULTS, aws: "existing", name: "dev" }));
  give("prod.yaml", initFile({ ...INIT_DEFAULTS, aws: "existing", name: "prod" }));
  expect((await cedanaCdk("synth")).status).toBe(0);
  give("out/terraform/terraform.tfstate", "state of dev");
  const before = contents("out");
  for (const force of [[], ["--force"]]) {
    const { status, stdout, stderr } = await cedanaCdk("synth", "-f", "prod.yaml", ...force);
    expect([status, stdout]).toEqual([2, ""]);
    for (const directory of ["out/terraform", "out/kubernetes"]) {
      expect(stderr).toContain(
        `${directory}: nothing was written\n  .  was written by cedana-cdk from ../../cedana.yaml; use another directory (output.directory in the platform file)`,
      );
    }
    expect(contents("out")).toEqual(before);
  }
  expect(await cedanaCdk("diff", "-f", "prod.yaml")).toMatchObject({
    status: 1,
    stdout: expect.stringMatching(/^(# out\/\w+: was written by cedana-cdk from .*\n){2}$/) as string,
  });
  give("prod.yaml", initFile({ ...INIT_DEFAULTS, aws: "existing", name: "prod", output: "out/prod" }));
  expect((await cedanaCdk("synth", "-f", "prod.yaml")).status).toBe(0);
  expect(contents("out")).toMatchObject(before);
});

test.each([
  ["cedana.yaml", "out"],
  ["prod.yaml", "out/prod"],
  ["the team's.yml", "out/the-team-s"],
])("init gives %s the output directory %s", async (file, directory) => {
  expect((await cedanaCdk("init", "-f", file)).status).toBe(0);
  const read = readPlatform(readFileSync(join(folder, file)));
  expect(read.problems ?? read.platform.output.directory).toBe(directory);
});

test("synth adopts the output of a renamed platform file after its record is deleted", async () => {
  give("cedana.yaml", initFile({ ...INIT_DEFAULTS, aws: "none" }));
  expect((await cedanaCdk("synth")).status).toBe(0);
  renameSync(join(folder, "cedana.yaml"), join(folder, "dev.yaml"));
  const { status, stderr } = await cedanaCdk("synth", "-f", "dev.yaml");
  expect([status, stderr]).toEqual([2, expect.stringContaining("delete .cedana-cdk-files")]);
  rmSync(join(folder, "out/kubernetes/.cedana-cdk-files"));
  expect((await cedanaCdk("synth", "-f", "dev.yaml")).stdout).toContain("files: 0 written");
});

test("synth recognizes its output in a moved checkout", async () => {
  give("cedana.yaml", initFile({ ...INIT_DEFAULTS, aws: "none" }));
  expect((await cedanaCdk("synth")).status).toBe(0);
  const moved = join(folder, "moved");
  cpSync(join(folder, "out"), join(moved, "out"), { recursive: true });
  cpSync(join(folder, "cedana.yaml"), join(moved, "cedana.yaml"));
  expect((await cedanaCdk("synth", "-f", join(moved, "cedana.yaml"))).stdout).toContain("files: 0 written");
});

const BACKEND = "bucket: my-terraform-state, region: eu-west-1";
const withBackend = (answers: Partial<InitAnswers>, backend: string) =>
  readPlatform(`${initFile({ ...INIT_DEFAULTS, ...answers })}terraform: { backend: { ${backend} } }\n`);

function backendOf(read: PlatformFile): unknown {
  if (read.problems) throw new Error(JSON.stringify(read.problems));
  const { terraform } = JSON.parse(terraformFiles(read.platform).get(CONFIGURATION) ?? "") as TerraformJson;
  return terraform?.backend;
}

test.each(["dev", "prod"])("the state of the cluster %s in a bucket has a separate key", (name) => {
  const s3 = expect.objectContaining({ key: `eu-west-1/${name}/platform.tfstate` }) as unknown;
  expect(backendOf(withBackend({ name }, BACKEND))).toEqual({ s3 });
});

test("the state is in the output directory unless terraform.backend.path is set", () => {
  expect(backendOf(readPlatform(initFile(INIT_DEFAULTS)))).toEqual({ local: { path: "terraform.tfstate" } });
  expect(backendOf(withBackend({}, "path: ../dev.tfstate"))).toEqual({ local: { path: "../dev.tfstate" } });
});

test("a state in a bucket requires a key with existingCluster", () => {
  expect(withBackend({ aws: "existing" }, BACKEND).problems).toEqual([
    expect.objectContaining({ code: "missing", path: ["terraform", "backend", "key"] }),
  ]);
  expect(withBackend({ aws: "existing" }, `${BACKEND}, key: a.tfstate`).problems).toBeUndefined();
});

test.each([
  ["cedana.yaml", "platform"],
  ["./cedana.yaml", "platform"],
  [join(process.cwd(), "cedana.yaml"), "platform"],
  ["platform.yaml", "platform-platform"],
  ["prod/cedana.yaml", "platform-prod-cedana"],
  ["../my team/prod.yml", "platform--my-team-prod"],
])("the stack of %s is %s", (file, stack) => {
  expect(stackOf(file)).toBe(stack);
});
