/**
 * The engine `criu` as a user installs it: from one cedana.yaml to checkpoints and restored pods on a real node, verified by
 * the output of the processes. All groups share one install. `core.test.ts` has what each change must pass.
 */
import { openEngine } from "../../testbed/node/engine";
import { KIND } from "../../testbed/node/testbed";
import { bootTests } from "./engine/boot";
import { checkpointTests } from "./engine/checkpoints";
import { featureTests } from "./engine/features";
import { faultTests } from "./engine/faults";
import type { Suite } from "./engine/pods";
import { restoreTests } from "./engine/restores";
import { tryItTests } from "./engine/try-it";
import { workloadTests } from "./engine/workloads";
import { stepsOn } from "./support/steps";

const suite = {} as Suite;
const describeInNamespaces = KIND === "namespaces" ? describe : describe.skip;

beforeAll(async () => {
  suite.engine = await openEngine({
    quota: "400Mi",
    reserve: "100Mi",
    restore: { restart: "again" },
  });
  suite.steps = stepsOn(suite.engine);
  suite.steps.deleteWorkloads();
});
afterEach(() => suite.steps.deleteWorkloads());
afterAll(() => suite.engine?.close());

describe("checkpoints", () => {
  checkpointTests(suite);
});
describe("the boot of the node", () => {
  bootTests(suite);
});
describeInNamespaces("workloads", () => {
  workloadTests(suite);
  featureTests(suite);
});
describeInNamespaces("faults", () => {
  faultTests(suite);
});
describeInNamespaces("restores", () => {
  restoreTests(suite);
});
describeInNamespaces("docs/try-it.md", () => {
  tryItTests(suite);
});

test("the controller logged no errors and no Node.js warnings", () => {
  expect(suite.steps.controllerErrors()).toEqual([]);
});
