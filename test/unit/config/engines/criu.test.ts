import { engineKindOf, engineSchema, renderCriuTable, CRIU_FEATURES } from "../../../../config";
import { capabilitiesOf, checkEngine } from "../../../../config/engines";
import { installSchema } from "../../../../config/install";
import { check, resolve } from "../../../../config/schema";

const ENGINE = {
  kind: "criu",
  image: { repository: "registry.example.com/cedana-node-agent", tag: "0.1.0" },
  repository: "registry.example.com/checkpoints",
} as const;

test("has defaults for everything but image and repository", () => {
  expect(check(engineSchema, ENGINE)).toMatchObject({
    value: {
      quota: "20Gi",
      tcp: "close",
      preDump: "auto",
      freezeSeconds: 60,
      restore: { restart: "fresh", timeoutSeconds: 300 },
      runtimeClasses: { amd64: "cedana-criu-amd64", arm64: "cedana-criu-arm64" },
      allowCgroupV1: false,
      checks: {
        criu: "gate",
        criuLink: "gate",
        kernel: "gate",
        cgroup: "gate",
        runtime: "gate",
        nodeService: "gate",
        space: "warn",
        registry: "warn",
      },
    },
  });
});

test.each<[string, object, string, readonly string[]]>([
  ["an unknown TCP mode", { tcp: "keep" }, "not-allowed", ["tcp"]],
  ["an unknown mode of pre-dumps", { preDump: "always" }, "not-allowed", ["preDump"]],
  ["a freeze of no time", { freezeSeconds: 0 }, "out-of-range", ["freezeSeconds"]],
  ["no RuntimeClass", { runtimeClasses: { amd64: false, arm64: false } }, "missing", ["runtimeClasses"]],
  [
    "one name for two RuntimeClasses",
    { runtimeClasses: { amd64: "a", arm64: "a" } },
    "duplicate-name",
    ["runtimeClasses"],
  ],
  ["an unknown effect of a check", { checks: { registry: "ignore" } }, "not-allowed", ["checks", "registry"]],
  ["a check that never fails", { checks: { ioUring: "gate" } }, "unknown-key", ["checks", "ioUring"]],
  ["another directory of the programs", { folder: "/opt/other" }, "unknown-key", ["folder"]],
  ["lazy restores that are no boolean", { restore: { lazy: "yes" } }, "wrong-type", ["restore", "lazy"]],
])("rejects %s", (_, more, code, path) => {
  expect(check(engineSchema, { ...ENGINE, ...more }).problems).toMatchObject([{ code, path }]);
});

test("rejects an image without tag and digest", () => {
  const { image, ...rest } = ENGINE;
  const engine = resolve("engine", engineSchema, { ...rest, image: { repository: image.repository } });
  expect(checkEngine(engine)).toMatchObject([{ code: "missing", path: ["image"] }]);
});

test("gives the agent of an ECR repository a role that pushes and pulls", () => {
  const repository = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/checkpoints";
  const engine = resolve("engine", engineSchema, { ...ENGINE, repository });
  const agent = { namespace: "cedana-system", serviceAccount: "cedana-agent" };
  expect(capabilitiesOf(engine, resolve("install", installSchema, {}))).toMatchObject({
    runtimeClassHandler: "cedana-criu",
    registryAccess: { pushers: [agent], pullers: [agent] },
  });
});

test.each([
  [{ image: {}, repository: "r" }, "criu"],
  [{ image: {}, repository: "r", tcp: "close" }, "criu"],
  [{ clusterId: "a", url: "b" }, "cedana"],
  [{}, "criu"],
])("assumes for %j the engine %s", (input, kind) => {
  expect(engineKindOf(input)).toBe(kind);
});

test("renders each feature as one line", () => {
  const lines = renderCriuTable().split("\n");
  for (const { feature, note } of CRIU_FEATURES)
    expect(lines.filter((line) => line.includes(`${feature}  `) && line.endsWith(note))).toHaveLength(1);
});
