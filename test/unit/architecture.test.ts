import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT, files, sources, target } from "../support/sources";

/** Each area of the repository and the areas that it may import besides itself. Frameworks count as areas. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  api: [],
  // Kinds of the API whose fields are inputs.
  config: ["api"],
  // The HTTP exchange of all clients.
  http: [],
  kube: ["http"],
  render: ["config"],
  manifests: ["config", "render"],
  clients: ["config", "http"],
  "constructs/aws": ["api", "config", "render", "cdktf", "constructs"],
  "constructs/kubernetes": ["api", "config", "render", "cdk8s", "constructs"],
  stacks: [
    "api",
    "config",
    "render",
    "constructs/aws",
    "constructs/kubernetes",
    "cdktf",
    "cdk8s",
    "constructs",
  ],
  controller: ["api", "config", "http", "clients", "kube"],
  agent: ["api", "config", "http", "clients", "kube"],
  cli: [
    "api",
    "config",
    "render",
    "manifests",
    "clients",
    "constructs/kubernetes",
    "stacks",
    "controller",
    "agent",
    "kube",
    "cdktf",
    "cdk8s",
    "constructs",
  ],
  bin: ["config", "manifests", "stacks", "kube", "controller", "agent", "cli", "cdktf", "cdk8s"],
};
const AREAS = Object.keys(MAY_IMPORT);

function areaOf(path: string): string | undefined {
  if (path === "constructs") return "constructs";
  if (path === "cdktf" || path.startsWith("cdktf/") || path.startsWith("@cdktf/")) return "cdktf";
  if (path === "cdk8s") return "cdk8s";
  return AREAS.find((area) => path === area || path.startsWith(`${area}/`));
}

const all = AREAS.flatMap((area) => sources(area));

test("areas import only areas that the table allows", () => {
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

test("no modules import each other in a circle, not even types", () => {
  const byPath = new Map(all.map((source) => [source.path.replace(/(\/index)?\.ts$/, ""), source]));
  const finished = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, importers: readonly string[]): void => {
    if (importers.includes(path))
      circles.push([...importers.slice(importers.indexOf(path)), path].join(" -> "));
    const source = byPath.get(path);
    if (!source || finished.has(path) || importers.includes(path)) return;
    for (const specifier of source.imports) visit(target(source, specifier), [...importers, path]);
    finished.add(path);
  };
  for (const path of byPath.keys()) visit(path, []);
  expect(byPath.size).toBeGreaterThan(200);
  expect(circles).toEqual([]);
});

test("another area's directory is imported by its public entry", () => {
  const wrong = all.flatMap((source) =>
    source.imports
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => target(source, specifier))
      .filter((path) => areaOf(path) !== areaOf(source.path) && areaOf(path) !== undefined)
      .filter((path) => {
        const depth = path.slice((areaOf(path) ?? "").length).split("/").length - 1;
        const most = areaOf(path) === "kube" ? 0 : 1;
        return depth > most && !existsSync(join(ROOT, path, "index.ts"));
      })
      .map((path) => `${source.path} -> ${path}`),
  );
  expect(wrong).toEqual([]);
});

test("benchmarks and the test bed import no tests", () => {
  const wrong = sources("bench", "testbed").flatMap((source) =>
    source.imports
      .map((specifier) => target(source, specifier))
      .filter((path) => path.startsWith("test/"))
      .map((path) => `${source.path} -> ${path}`),
  );
  expect(wrong).toEqual([]);
});

test("the index of the AWS provider is never imported", () => {
  const everything = sources(...AREAS, "examples", "test", "testbed", "bench");
  const barrel = /^@cdk(tf|tn)\/provider-aws(\/lib)?(\/index)?$/;
  expect(
    everything.filter((source) => source.imports.some((name) => barrel.test(name))).map((s) => s.path),
  ).toEqual([]);
});

test("the library imports valibot through config/schema/valibot only, which copies its names once", () => {
  const areas = ["api", "config", "render", "manifests", "constructs", "stacks"];
  const importers = sources(...areas).filter((source) => source.imports.includes("valibot"));
  expect(importers.map((source) => source.path)).toEqual(["config/schema/valibot.ts"]);
});

test("constructs, stacks and the areas that they use read no file, network, clock or environment", () => {
  // Settings files of programs and the writer of manifests are the two places with I/O.
  const pure = all.filter(
    ({ path }) =>
      /^(api|config|render|manifests|constructs|stacks)\//.test(path) &&
      !/^(config\/programs\/settings-file\.ts|manifests\/output\/)/.test(path),
  );
  const impure =
    /from "node:(fs|http|https|net|dns|child_process|os)|\bprocess\.env\b|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bfetch\(/;
  expect(pure.filter((source) => impure.test(source.text)).map((source) => source.path)).toEqual([]);
});

test("only the directories of an engine compare the name of the engine", () => {
  const comparison = /\b(kind|engine|name)\)? (===|!==) "(cedana|criu)"|case "(cedana|criu)"/;
  const own = /^(agent|config|constructs\/kubernetes|controller)\/engines\/(cedana|criu)\//;
  const wrong = all.filter(({ path, text }) => !own.test(path) && comparison.test(text));
  expect(wrong.map(({ path }) => path)).toEqual([]);
  expect(all.some(({ path }) => own.test(path))).toBe(true);
});

test("Kubernetes types are imported as types only", () => {
  const pure = all.filter((source) => /^(api|config|render|constructs|stacks)\//.test(source.path));
  const value = /import (?!type\b)[^;]*from "@kubernetes\/client-node"/;
  expect(pure.filter((source) => value.test(source.text)).map((source) => source.path)).toEqual([]);
});

test("every directory has one public entry", () => {
  const folders = new Set(
    ["api", "config", "http", "kube", "render", "manifests", "clients", "constructs", "stacks"]
      .flatMap((area) => files(area, /\.ts$/))
      .map((path) => path.split("/").slice(0, -1).join("/")),
  );
  expect([...folders].filter((folder) => !existsSync(join(ROOT, folder, "index.ts")))).toEqual([]);
});

test("tests take random numbers from the seed of the run", () => {
  const own = ["test/support/property.ts", "test/unit/architecture.test.ts", "test/fuzz/slice.ts"];
  const random = /\bMath\.random\(|\bfc\.(assert|check)\(/;
  const wrong = sources("test").filter(({ path, text }) => !own.includes(path) && random.test(text));
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

test("fast tests start no Node process and need no build", () => {
  const slow = /process\.execPath|\bfork\(|"dist\//;
  const fast = sources("test/unit").filter(
    ({ path }) => !path.includes(".long.") && path !== "test/unit/architecture.test.ts",
  );
  expect(fast.filter(({ text }) => slow.test(text)).map(({ path }) => path)).toEqual([]);
});
