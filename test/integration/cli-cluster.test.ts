/**
 * `cedana-cdk diff --cluster` on a real API server: it changes nothing, and reports differences and rejected objects. Needs
 * CEDANA_INTEGRATION_KUBECONFIG.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { INIT_DEFAULTS, initFile } from "../../cli/init-file";
import { ROOT } from "../support/sources";
import { ApiServer, kubeconfig, type KubernetesObject } from "./support/apiserver";
import { scratch } from "./support/terraform";

const config = kubeconfig();
const folder = scratch();
const text = initFile({ ...INIT_DEFAULTS, engine: "cedana", aws: "none" })
  .replace("namespace: cedana-system", "namespace: cedana-cli\n  name: cedana-cli")
  .replace("directory: out", "directory: made");

function run(...args: readonly string[]) {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [join(ROOT, "dist/bin/cedana-cdk.js"), ...args],
    { cwd: folder, encoding: "utf8", env: { PATH: process.env["PATH"], KUBECONFIG: config } },
  );
  return { stdout, stderr, status };
}

function writePlatform(content: string): void {
  writeFileSync(join(folder, "cedana.yaml"), content);
}

function synthesizedObjects(): KubernetesObject[] {
  const made = join(folder, "made/kubernetes");
  const { resources } = parse(readFileSync(join(made, "kustomization.yaml"), "utf8")) as {
    resources: string[];
  };
  const order = (path: string) => (path.includes("namespace-") ? 0 : path.includes("customresource") ? 1 : 2);
  return resources
    .toSorted((a, b) => order(a) - order(b))
    .map((path) => parse(readFileSync(join(made, path), "utf8")) as KubernetesObject);
}

(config === undefined ? describe.skip : describe)("cedana-cdk diff --cluster", () => {
  let api: ApiServer;
  beforeAll(() => {
    api = new ApiServer(config ?? "");
    writePlatform(text);
    run("synth");
  });
  afterAll(async () => {
    await api.delete({ apiVersion: "v1", kind: "Namespace", metadata: { name: "cedana-cli" } });
    api.close();
  });

  test("shows new objects and does not create them", async () => {
    const { status, stdout, stderr } = run("diff", "--cluster");
    expect(stderr).toBe("");
    expect(status).toBe(1);
    expect(stdout).toContain("+++ b/DaemonSet.apps cedana-cli/cedana-cli-helper");
    const namespace = await api.request("GET", "/api/v1/namespaces/cedana-cli");
    expect(namespace.status).toBe(404);
  });

  test("shows no difference after an apply, and one hunk for one change", async () => {
    for (const object of synthesizedObjects()) expect((await api.apply(object)).status).toBeLessThan(300);
    expect(run("diff", "--cluster")).toEqual({ status: 0, stdout: "", stderr: "" });
    writePlatform(text.replace("gpu: none", "gpu: none\n  metrics: false"));
    const { status, stdout } = run("diff", "--cluster");
    expect(status).toBe(1);
    expect(stdout).toContain('-  metrics: "true"\n+  metrics: "false"');
    expect(stdout).not.toContain("managedFields");
  });

  test("names objects that the API server rejects, and exits with 2", () => {
    const helper = "helper: { affinity: { nodeAffinity: { nowhere: 1 } } }";
    writePlatform(text.replace("namespace: cedana-cli", `namespace: cedana-cli\n  ${helper}`));
    const { status, stdout, stderr } = run("diff", "--cluster");
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain("DaemonSet.apps cedana-cli/cedana-cli-helper");
    expect(stderr).toContain("nowhere");
  });

  test("exits with 3 and without a stack trace if the API server is unreachable", () => {
    writePlatform(text);
    const broken = join(folder, "kubeconfig");
    writeFileSync(
      broken,
      readFileSync(config ?? "", "utf8").replace(/server: [^,}\n]*/, "server: https://127.0.0.1:1"),
    );
    const { status, stderr } = run("diff", "--cluster", "--kubeconfig", broken);
    expect(status).toBe(3);
    expect(stderr).toMatch(/^cannot reach the API server: /);
  });
});
