import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { helmChart } from "../../manifests";
import {
  KUSTOMIZE_UNSAFE_STRINGS,
  comparable,
  manifests,
  parseStream,
  writeFiles,
} from "./support/manifests";
import { suiteWith } from "./support/terraform";

const HELM = process.env["CEDANA_INTEGRATION_HELM"] ?? "helm";
const missing =
  spawnSync(HELM, ["version"]).status === 0
    ? undefined
    : `${HELM} does not run: install helm 3 (https://helm.sh) or name one in CEDANA_INTEGRATION_HELM`;

suiteWith(missing)("helm", () => {
  const objects = manifests(KUSTOMIZE_UNSAFE_STRINGS);
  let dir: string;

  const helm = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(HELM, args, { encoding: "utf8", maxBuffer: 1 << 26 });
    return { status, stdout, stderr };
  };

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "helm-"));
    writeFiles(dir, helmChart(objects, { name: "cedana", version: "0.1.0", appVersion: "0.7.6" }));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test("lint --strict reports nothing", () => {
    const { status, stdout } = helm("lint", "--strict", dir);
    expect(stdout).toContain("1 chart(s) linted, 0 chart(s) failed");
    expect(stdout).not.toMatch(/\[(ERROR|WARNING)\]/);
    expect(status).toBe(0);
  });

  test("template returns exactly our objects", () => {
    const { status, stdout, stderr } = helm("template", "cedana", dir, "--include-crds");
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(parseStream(stdout)).toEqual(comparable(objects));
  });

  test("namespace and name of the release do not change the objects", () => {
    const { stdout } = helm("template", "another", dir, "--include-crds", "--namespace", "elsewhere");
    expect(parseStream(stdout)).toEqual(comparable(objects));
  });

  test("rejects values, which would have no effect", () => {
    const { status, stderr } = helm("template", "cedana", dir, "--set", "manager.replicas=2");
    expect(status).not.toBe(0);
    expect(stderr).toContain("manager");
  });

  test("CRDs are in the chart's crds directory, so helm does not delete them with the release", () => {
    const { stdout } = helm("show", "crds", dir);
    expect(parseStream(stdout).map(({ kind }) => kind)).toEqual(["CustomResourceDefinition"]);
    const { stdout: templates } = helm("template", "cedana", dir);
    expect(templates).not.toContain("kind: CustomResourceDefinition");
  });
});
