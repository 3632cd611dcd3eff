import { parse } from "yaml";
import { INIT_DEFAULTS, initFile } from "../../../../cli/init-file";
import { checkPlatform } from "../../../../config/platform";

const CEDANA = {
  kind: "cedana",
  clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
  url: "https://c.example",
};
const OPEN = { image: { repository: "r.example/agent", tag: "1" }, repository: "r.example/checkpoints" };
const controller = { image: { repository: "r.example/controller", tag: "1" } };

// Checks of settings without an effect must distinguish defaults from values that the user wrote.
test.each<[string, object]>([
  ["of init", parse(initFile({ ...INIT_DEFAULTS, aws: "new", gpu: true })) as object],
  ["of Cedana's engine, whose manager owns the gate", { engine: CEDANA, install: {} }],
  [
    "of Cedana's engine with a NodeReadinessRule",
    { engine: CEDANA, install: { controller, readinessGate: { owner: "nodeReadinessRule", retaint: {} } } },
  ],
  ["of the engine criu", { engine: { ...OPEN, kind: "criu" }, install: { controller } }],
  ["of the open engine", { engine: OPEN, install: { controller } }],
  [
    "of the open engine with settings",
    { engine: OPEN, install: { controller, checkpoints: {}, restore: {} } },
  ],
])("accepts engine and install with their defaults added, and adds no further ones: %s", (_, input) => {
  const { platform, problems } = checkPlatform({ version: 1, ...input });
  expect(problems).toEqual([]);
  const { engine, install } = JSON.parse(JSON.stringify(platform)) as { engine: object; install: object };
  const again = checkPlatform({ version: 1, engine, install });
  expect(again.problems).toEqual([]);
  expect(again.platform).toMatchObject({ engine, install });
});

test.each<[string, object, readonly string[]]>([
  [
    "the manager owns the gate",
    { engine: CEDANA, install: { readinessGate: { retaint: {}, explainAfterSeconds: 61, dryRun: true } } },
    ["retaint", "explainAfterSeconds", "dryRun"],
  ],
  [
    "a NodeReadinessRule owns the gate",
    {
      engine: CEDANA,
      install: {
        controller,
        readinessGate: {
          owner: "nodeReadinessRule",
          retaint: { holdOffSeconds: 31, maxUnreadyPercent: 21 },
          failOpenAfterSeconds: 60,
        },
      },
    },
    ["failOpenAfterSeconds", "holdOffSeconds", "maxUnreadyPercent"],
  ],
])("rejects a value other than the default where it has no effect: %s", (_, input, expected) => {
  const { problems } = checkPlatform({ version: 1, ...input });
  expect(problems.map(({ path }) => path.at(-1))).toEqual(expected);
});
