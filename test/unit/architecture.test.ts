import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT, files, sources, target } from "../support/sources";

/** Each area and the areas it may import besides itself. Frameworks count as areas. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "constructs/core": [],
  "constructs/aws": ["constructs/core", "cdktf", "constructs"],
  "constructs/kubernetes": ["constructs/core", "cdk8s", "constructs"],
  // One exchange for everything that speaks HTTP.
  http: [],
  clients: ["constructs/core", "http"],
  stacks: ["constructs/core", "constructs/aws", "constructs/kubernetes", "cdktf", "cdk8s", "constructs"],
  // What follows the API server: the controller and the agents stand on it.
  "controller/runtime": ["constructs/core", "http", "clients"],
  agent: ["constructs/core", "http", "clients", "controller/runtime"],
  controller: ["constructs/core", "http", "clients", "controller/runtime"],
  bin: [
    "constructs/core",
    "constructs/aws",
    "constructs/kubernetes",
    "stacks",
    "http",
    "clients",
    "agent",
    "controller",
    "controller/runtime",
    "cdktf",
    "cdk8s",
    "constructs",
  ],
};
const AREAS = Object.keys(MAY_IMPORT).filter((area) => existsSync(join(ROOT, area)));

function areaOf(path: string): string | undefined {
  if (path === "constructs") return "constructs";
  if (path === "cdktf" || path.startsWith("cdktf/") || path.startsWith("@cdktf/")) return "cdktf";
  if (path === "cdk8s") return "cdk8s";
  return Object.keys(MAY_IMPORT).find((area) => path === area || path.startsWith(`${area}/`));
}

const all = AREAS.flatMap((area) => sources(area));

test("imports point one way", () => {
  const wrong = all.flatMap((source) =>
    source.imports
      .map((specifier) => target(source, specifier))
      .filter((path) => {
        const from = areaOf(source.path);
        const to = areaOf(path);
        return from !== undefined && to !== undefined && to !== from && !MAY_IMPORT[from]?.includes(to);
      })
      .map((path) => `${source.path} -> ${path}`),
  );
  expect(wrong).toEqual([]);
});

test("another area's folder is entered by its public entry", () => {
  const wrong = all.flatMap((source) =>
    source.imports
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => target(source, specifier))
      .filter((path) => areaOf(path) !== areaOf(source.path) && areaOf(path) !== undefined)
      .filter((path) => {
        const depth = path.slice((areaOf(path) ?? "").length).split("/").length - 1;
        return depth > 1 && !existsSync(join(ROOT, path, "index.ts"));
      })
      .map((path) => `${source.path} -> ${path}`),
  );
  expect(wrong).toEqual([]);
});

test("the index of the AWS provider is never imported", () => {
  const everything = sources(
    ...[...AREAS, "examples", "test", "bench"].filter((area) => existsSync(join(ROOT, area))),
  );
  const barrel = /^@cdk(tf|tn)\/provider-aws(\/lib)?(\/index)?$/;
  expect(
    everything.filter((source) => source.imports.some((name) => barrel.test(name))).map((s) => s.path),
  ).toEqual([]);
});

test("constructs, stacks and core read no file, network, clock or environment", () => {
  const pure = all.filter((source) => /^(constructs|stacks)\//.test(source.path));
  const impure =
    /from "node:(fs|http|https|net|dns|child_process|os)|\bprocess\.env\b|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bfetch\(/;
  expect(pure.filter((source) => impure.test(source.text)).map((source) => source.path)).toEqual([]);
});

test("Kubernetes types are imported as types only", () => {
  const pure = all.filter((source) => /^(constructs|stacks)\//.test(source.path));
  const value = /import (?!type\b)[^;]*from "@kubernetes\/client-node"/;
  expect(pure.filter((source) => value.test(source.text)).map((source) => source.path)).toEqual([]);
});

test("every folder with constructs has one public entry", () => {
  const folders = new Set(files("constructs", /\.ts$/).map((path) => path.split("/").slice(0, -1).join("/")));
  expect([...folders].filter((folder) => !existsSync(join(ROOT, folder, "index.ts")))).toEqual([]);
});
