import { readControllerSettings } from "../../../../config/programs/controller";

const CRIU = {
  namespaces: ["team-a"],
  maxPerNode: 2,
  waitSeconds: 3600,
  locations: [],
  engine: "criu",
  agent: {
    namespace: "cedana-system",
    repository: "registry.example.com/checkpoints",
    timeoutSeconds: 600,
    responseSeconds: 60,
  },
  tcp: "close",
  preDump: "auto",
  freezeSeconds: 60,
  runtimeClasses: { amd64: "cedana-criu" },
  restore: { restart: "fresh", lazy: false, timeoutSeconds: 300 },
};

const read = (checkpoints: object) =>
  readControllerSettings(
    JSON.stringify({
      namespace: "cedana-system",
      leaseName: "cedana-controller",
      log: { level: "info" },
      gate: false,
      checkpoints,
      restore: false,
    }),
  );

test("the controller reads the settings of the engine criu", () => {
  expect(read(CRIU)).toMatchObject({ value: { checkpoints: CRIU } });
});

test.each<[string, object, string]>([
  ["no RuntimeClass", { runtimeClasses: {} }, "missing checkpoints.runtimeClasses"],
  [
    "a RuntimeClass for another architecture",
    { runtimeClasses: { s390x: "a" } },
    "unknown-key checkpoints.runtimeClasses.s390x",
  ],
  ["a freeze of no time", { freezeSeconds: 0 }, "out-of-range checkpoints.freezeSeconds"],
  [
    "an unknown restart",
    { restore: { ...CRIU.restore, restart: "never" } },
    "not-allowed checkpoints.restore.restart",
  ],
])("settings of the engine criu with %s are rejected", (_, change, expected) => {
  const { problems = [] } = read({ ...CRIU, ...change });
  expect(problems.map(({ code, path }) => `${code} ${path.join(".")}`)).toContain(expected);
});
