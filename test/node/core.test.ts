/**
 * The core of the engine `kubelet` on each kind of node: install, checkpoint, restore, uninstall. It is the part of the node
 * tier that `.ci/run` also runs in a virtual machine, so it has one small pod and one install.
 */
import { counting } from "../../testbed/node/counting";
import { openEngine, TAINT, type Engine } from "../../testbed/node/engine";
import { eventually, NODE } from "../../testbed/node/testbed";
import { stepsOn } from "./support/steps";

let engine: Engine;
let steps: ReturnType<typeof stepsOn>;

beforeAll(async () => {
  engine = await openEngine({ quota: "400Mi", reserve: "100Mi" });
  steps = stepsOn(engine);
});
afterAll(() => engine?.close());

const LINK = "/usr/local/sbin/criu";
const TREE = "/opt/cedana-cdk";
const STATE = "/var/lib/cedana-cdk/agent";

test("the helper installs CRIU on the runtime's path, and the gate opens", async () => {
  expect(engine.onNode("readlink", "-f", LINK)).toMatch(new RegExp(`^${TREE}/versions/[^/]+/bin/criu\n$`));
  expect(engine.onNode("criu", "--version")).toMatch(/^Version: /);
  await steps.nodeIs("True", /./);
});

test("a process with many threads resumes in a new pod of the same name", async () => {
  const { status } = await steps.resumes([counting("count", 1)]);
  expect(status).toMatchObject({ nodeName: NODE.name, durationMilliseconds: expect.any(Number) });
  expect(status.containers).toEqual([
    expect.objectContaining({
      name: "count",
      location: expect.stringMatching(/^localhost:5000\/checkpoints@sha256:[0-9a-f]{64}$/),
      sizeBytes: expect.any(Number),
      frozenMilliseconds: expect.any(Number),
      architecture: expect.stringMatching(/^(amd|arm)64$/),
      baseImage: expect.stringContaining("count"),
    }),
  ]);
  steps.deleteWorkloads();
});

test("the controller logged no errors and no Node.js warnings", () => {
  expect(steps.controllerErrors()).toEqual([]);
});

test("an uninstall leaves nothing on the node: no CRIU, no state, no taint, no condition", async () => {
  expect(engine.onNode("ls", "-d", LINK, TREE, STATE)).toBe(`${TREE}\n${LINK}\n${STATE}\n`);
  engine.removeAgent();
  // The directory of the tree stays, empty: it is mounted into the pod that removes its content.
  const left = `find ${LINK} ${STATE} ${TREE} -not -path ${TREE} 2> /dev/null || true`;
  expect(engine.onNode("sh", "-c", left)).toBe("");
  // The controller removes these a minute after both DaemonSets were deleted.
  await eventually(() => {
    const { spec, status } = engine.node();
    expect(spec.taints?.map(({ key }) => key) ?? []).not.toContain(TAINT);
    expect(status.conditions.map(({ type }) => type)).not.toContain("CedanaReady");
  }, 120);
  engine.deleteInstall();
  expect(engine.kubectl(["get", "namespaces", "-o", "name"])).not.toMatch(/cedana/);
});
