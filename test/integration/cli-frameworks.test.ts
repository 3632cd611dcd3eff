/** cdktf.json and cdk8s.yaml with the CLIs of cdktf and cdk8s. `cdktf diff` needs terraform. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { parseAllDocuments } from "yaml";
import { ROOT } from "../support/sources";
import { missingStandIn, scratch, suiteWith } from "./support/terraform";

const folder = scratch();

/** Copies a built project: two suites must not build into the same dist. */
beforeAll(() => {
  for (const name of ["cedana.yaml", "cdktf.json", "cdk8s.yaml", "package.json", "dist"]) {
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
});

function run(program: string, ...args: readonly string[]) {
  const { stdout, stderr, status } = spawnSync(join(ROOT, "node_modules/.bin", program), [...args], {
    cwd: folder,
    encoding: "utf8",
    env: {
      ...process.env,
      CHECKPOINT_DISABLE: "1",
      AWS_ACCESS_KEY_ID: "none",
      AWS_SECRET_ACCESS_KEY: "none",
    },
  });
  return { output: stripVTControlCharacters(`${stdout}${stderr}`), status };
}

const APP = (program: string) => ["--app", `node dist/bin/${program}.js`];

test("cdktf.json and cdk8s.yaml build the package and run the apps", () => {
  const { app } = JSON.parse(readFileSync(join(ROOT, "cdktf.json"), "utf8")) as { app: string };
  expect(app).toBe("npm run --silent build && node dist/bin/aws.js");
  expect(readFileSync(join(ROOT, "cdk8s.yaml"), "utf8")).toContain("&& node dist/bin/kubernetes.js");
});

test("cdktf synth writes the stack", () => {
  const { output, status } = run("cdktf", "synth", ...APP("aws"));
  expect([status, output]).toEqual([0, expect.stringContaining("platform")]);
  expect(existsSync(join(folder, "cdktf.out/stacks/platform/cdk.tf.json"))).toBe(true);
});

test("cdk8s synth writes as many objects as cedana-cdk synth", () => {
  const { output, status } = run("cdk8s", "synth", "--check-upgrade=false", ...APP("kubernetes"));
  expect([status, output]).toEqual([0, expect.stringContaining("cedana.k8s.yaml")]);
  const text = readFileSync(join(folder, "out/cdk8s/cedana.k8s.yaml"), "utf8");
  const kinds = parseAllDocuments(text).map((document) => (document.toJS() as { kind: string }).kind);
  expect(spawnSync(process.execPath, ["dist/bin/cedana-cdk.js", "synth"], { cwd: folder }).status).toBe(0);
  const record = readFileSync(join(folder, "out/kubernetes/kustomization.yaml"), "utf8");
  expect(record.match(/\.yaml$/gm)).toHaveLength(kinds.length);
});

suiteWith(missingStandIn())("with terraform", () => {
  test("cdktf diff plans the stack", () => {
    const { output, status } = run("cdktf", "diff", "--skip-provider-lock", ...APP("aws"));
    expect([status, output]).toEqual([
      0,
      expect.stringMatching(/Plan: \d+ to add, 0 to change, 0 to destroy/),
    ]);
  });

  test("cdktf diff finds no differences after cdktf deploy", () => {
    const deployed = run("cdktf", "deploy", "--auto-approve", "--skip-provider-lock", ...APP("aws"));
    expect([deployed.status, deployed.output]).toEqual([0, expect.stringContaining("cluster_name = cedana")]);
    const { output, status } = run("cdktf", "diff", "--skip-provider-lock", ...APP("aws"));
    expect([status, output]).toEqual([0, expect.stringMatching(/found no differences/)]);
  });
});
