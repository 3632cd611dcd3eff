import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { LayoutOptions } from "../../manifests";
import { layout } from "../../manifests";
import { ROOT } from "../support/sources";
import { comparable, manifests, parseStream, writeFiles } from "./support/manifests";
import { suiteWith } from "./support/terraform";

const KUBECTL = process.env["CEDANA_INTEGRATION_KUBECTL"] ?? "kubectl";
const missing =
  spawnSync(KUBECTL, ["version", "--client"]).status === 0
    ? undefined
    : `${KUBECTL} does not run: install kubectl (https://kubernetes.io/docs/tasks/tools) or name one in CEDANA_INTEGRATION_KUBECTL`;

const kustomize = (dir: string): string =>
  execFileSync(KUBECTL, ["kustomize", dir], { encoding: "utf8", maxBuffer: 1 << 26 });

suiteWith(missing)("kubectl kustomize", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "gitops-"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test.each<[string, LayoutOptions]>([
    ["a file per object", {}],
    ["a file per chart", { filePer: "chart" }],
  ])("returns our objects from %s", (_, options) => {
    const objects = manifests();
    writeFiles(dir, layout(objects, options));
    expect(parseStream(kustomize(dir))).toEqual(comparable(objects));
  });

  test("builds the output of the example at the paths of its Argo CD and Flux objects", () => {
    execFileSync(process.execPath, [join(ROOT, "dist/examples/gitops/main.js"), dir]);
    const pointers = ["argocd", "flux"].map((tool) =>
      parseAllDocuments(readFileSync(join(ROOT, "examples/gitops", tool, "cedana.yaml"), "utf8")).map(
        (document) => document.toJS() as { spec: { path?: string; source?: { path: string } } },
      ),
    );
    const paths = pointers.flat().flatMap(({ spec }) => spec.source?.path ?? spec.path ?? []);
    expect(paths).toHaveLength(2);
    const [first, second] = paths.map((path) => kustomize(join(dir, path)));
    expect(first).toContain("kind: DaemonSet");
    expect(second).toBe(first);
  });
});
