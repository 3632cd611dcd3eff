import { checkPlatform } from "../../../../config/platform";
import { formatProblem } from "../../../../config/schema/problem";

const CEDANA = {
  kind: "cedana",
  clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
  url: "https://sandbox.cedana.ai",
};
const OPEN = { image: { repository: "r.example/agent", tag: "1" }, repository: "r.example/checkpoints" };
const controller = { image: { repository: "r.example/controller", tag: "1" } };

const problems = (engine: object, install: object) => checkPlatform({ version: 1, engine, install }).problems;

test.each([
  ["manager", { manager: { replicas: 3 } }],
  ["runtimeClass", { runtimeClass: false }],
  ["attachAccount", { attachAccount: {} }],
  ["dynamoWatcher", { dynamoWatcher: { namespaces: "all" } }],
  ["existingConfigMap", { existingConfigMap: "mine" }],
  ["helper.image", { helper: { image: { tag: "v1.0.0" } } }],
  ["helper.startupTimeoutSeconds", { helper: { startupTimeoutSeconds: 60 } }],
  ["helper.service", { helper: { service: {} } }],
  ["checkpoints.root", { controller, checkpoints: { root: "/run/runc" } }],
  ["checkpoints.locations", { controller, checkpoints: { locations: ["/mnt/a"] } }],
  [
    "networkPolicies.allowIngressFromNamespaces",
    { networkPolicies: { allowIngressFromNamespaces: [{ team: "a" }] } },
  ],
])("names the new place of install.%s", (name, install) => {
  expect(problems(CEDANA, install)).toMatchObject([
    { code: "unknown-key", path: ["install", ...name.split(".")], remedy: `move it to engine.${name}` },
  ]);
  expect(problems(OPEN, { controller, ...install })).toMatchObject([
    {
      code: "unknown-key",
      path: ["install", ...name.split(".")],
      remedy: `remove it: only the engine cedana supports it, as engine.${name}`,
    },
  ]);
});

test("suggests a property of install for a typo", () => {
  expect(problems(CEDANA, { nodeSelectr: {} }).map(formatProblem)).toEqual([
    expect.stringMatching(/did you mean nodeSelector\?$/),
  ]);
});

test("an engine rejects the settings of another", () => {
  expect(problems({ ...OPEN, kind: "criu", manager: {} }, { controller })).toMatchObject([
    { code: "unknown-key", path: ["engine", "manager"] },
  ]);
});
