import { readAgentSettings, type AgentSettings } from "../../../../config/programs/agent";

const SETTINGS: AgentSettings = {
  engine: "criu",
  namespace: "cedana-system",
  folder: "/opt/cedana-cdk",
  criuLink: "/usr/local/sbin/criu",
  state: "/var/lib/cedana-cdk/agent",
  quotaBytes: 20 * 1024 ** 3,
  reserveBytes: 2 * 1024 ** 3,
  maxConcurrent: 2,
  socket: "/run/cedana-cdk/node/node.sock",
  stateSocket: "/run/cedana-cdk/state/state.sock",
  handler: { name: "cedana-criu", binary: "/usr/local/bin/cedana-runc" },
  repository: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/checkpoints",
  registry: { credentials: "ecr" },
  health: {
    periodSeconds: 30,
    timeoutSeconds: 20,
    minKernel: "6.1",
    allowCgroupV1: false,
    warnOnly: ["registry"],
    runtimeConfig: "/etc/containerd/config.toml",
  },
  log: { level: "info" },
};

const read = (more: object) => readAgentSettings(JSON.stringify({ ...SETTINGS, ...more }));

test("parses settings that were written before", () => {
  expect(read({})).toEqual({ value: SETTINGS });
  const registry = { credentials: "docker-config", dockerConfig: "/etc/cedana-registry/config.json" };
  expect(read({ registry })).toEqual({ value: { ...SETTINGS, registry } });
});

test.each([
  [{ registry: { credentials: "docker-config" } }, "missing", ["registry", "dockerConfig"]],
  [{ registry: { credentials: "docker" } }, "not-allowed", ["registry", "credentials"]],
  [{ socket: "node.sock" }, "invalid-directory", ["socket"]],
  [{ engine: "cedana" }, "not-allowed", ["engine"]],
  [{ state: "/var/../etc" }, "invalid-directory", ["state"]],
  [{ quotaBytes: -1 }, "out-of-range", ["quotaBytes"]],
  [{ quoteBytes: 1 }, "unknown-key", ["quoteBytes"]],
  [{ health: { ...SETTINGS.health, minKernel: "6" } }, "invalid-kernel-version", ["health", "minKernel"]],
])("rejects %j", (more, code, path) => {
  expect(read(more).problems).toMatchObject([{ code, path }]);
});

test.each([
  "registry.example.com/checkpoints",
  "localhost/checkpoints",
  "localhost:5000/team/check-points__1",
  "registry:5000/a",
  "10.77.0.2:5000/checkpoints",
])("accepts the repository %s", (repository) => {
  expect(read({ repository })).toEqual({ value: { ...SETTINGS, repository } });
});

test.each([
  "checkpoints",
  "team/checkpoints",
  "registry.example.com",
  "registry.example.com/",
  "registry.example.com/Checkpoints",
  "registry.example.com/checkpoints:1",
  `registry.example.com/checkpoints@sha256:${"0".repeat(64)}`,
  "https://registry.example.com/checkpoints",
  "registry.example.com//checkpoints",
  `registry.example.com/${"a".repeat(250)}`,
])("rejects the repository %s", (repository) => {
  expect(read({ repository }).problems).toMatchObject([{ code: "invalid-image-repository" }]);
});

test("reports aliases that expand to too many values as one problem", () => {
  const lines = ["a0: &a0 [x]"];
  for (let at = 0; at < 9; at++) lines.push(`a${at + 1}: &a${at + 1} [${`*a${at}, `.repeat(10)}]`);
  expect(readAgentSettings(lines.join("\n")).problems).toMatchObject([
    { code: "yaml-syntax", message: expect.stringContaining("alias") },
  ]);
});

test("reports invalid YAML as one problem", () => {
  expect(readAgentSettings("namespace: [").problems).toMatchObject([{ code: "yaml-syntax" }]);
  expect(readAgentSettings("").problems).toHaveLength(1);
});
