/**
 * The core of the engine `criu` on each kind of node: install, checkpoint, restore, fallback, uninstall. It is the part of the
 * node tier that `.ci/run` also runs in a virtual machine, so it has one small pod and one install.
 */
import { CRIU_HANDLER } from "../../config/engines/criu";
import { NODE_PROGRAM, WRAPPER } from "../../config/nodes";
import { openEngine, TAINT, type Engine } from "../../testbed/node/engine";
import { eventually, KIND, NODE } from "../../testbed/node/testbed";
import { NAMES, PAIR } from "./engine/pods";
import { RESTORE, stepsOn, type Steps } from "./support/steps";

let engine: Engine;
let steps: Steps;

beforeAll(async () => {
  engine = await openEngine({ quota: "400Mi", reserve: "100Mi" });
  steps = stepsOn(engine);
});
afterAll(() => engine?.close());

const LINK = "/usr/local/sbin/criu";
const TREE = "/opt/cedana-cdk";
const DATA = "/var/lib/cedana-cdk";
/** Both pods are restored from one checkpoint. */
const SHARED = { ...RESTORE("cp"), "cedana.ai/restore-shared": "true" };

test("the helper installs CRIU and the host service, and the gate opens", async () => {
  expect(engine.onNode("readlink", "-f", LINK)).toMatch(new RegExp(`^${TREE}/versions/[^/]+/bin/criu\n$`));
  expect(engine.onNode("criu", "--version")).toMatch(/^Version: /);
  expect(JSON.parse(engine.onNode(NODE_PROGRAM, "cedana-noded", "call", "state"))).toMatchObject({
    plans: [],
  });
  const unit = "[ ! -d /run/systemd/system ] || systemctl is-active cedana-noded.service";
  expect(engine.onNode("sh", "-c", unit)).toBe(KIND === "vm" ? "active\n" : "");
  await steps.nodeIs("True", /./);
});

test("a pod of two containers and an emptyDir resumes in a new pod", async () => {
  engine.runPod({ metadata: { name: "web" }, spec: PAIR });
  const before = await steps.reach("web", NAMES, () => 3);
  const { status } = await steps.taken("cp", "web");
  const location = expect.stringMatching(/^localhost:5000\/checkpoints@sha256:[0-9a-f]{64}$/);
  expect(status).toMatchObject({
    nodeName: NODE.name,
    frozenMilliseconds: expect.any(Number),
    containers: NAMES.map((name) => ({ name, location })),
  });
  await steps.resumed("web", NAMES, before);
  await eventually(() => expect(engine.archives()).toEqual([]));

  engine.kubectl(["delete", "pod", "web"]);
  engine.runPod({ metadata: { name: "web", annotations: SHARED }, spec: PAIR });
  await steps.resumed("web", NAMES, before);
  expect(engine.kubectl(["exec", "web", "-c", "writer", "--", "cat", "/shared/token"]).trim()).toBe(
    before[0]!.token,
  );
  expect(steps.status("web", ".containerStatuses[*].restartCount")).toBe("0 0");
  expect(await steps.event("Restored", "web")).toContain("Checkpoint cp");
});

test("a pod that may do less than the checkpoint starts fresh in place", async () => {
  const restored = steps.counts.last("web", "writer");
  const securityContext = { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 };
  engine.runPod({ metadata: { name: "less", annotations: SHARED }, spec: { ...PAIR, securityContext } });
  expect(await steps.event("RestoreFellBack", "less")).toContain(
    "the user is 1000, at the checkpoint it was 0",
  );
  expect((await steps.counts.reach("less", "writer", 1)).token).not.toBe(restored.token);
  expect(steps.status("less", ".containerStatuses[*].restartCount")).toBe("0 0");
  engine.kubectl(["delete", "pod", "less"]);
});

test("the controller logged no errors and no Node.js warnings", () => {
  expect(steps.controllerErrors()).toEqual([]);
});

test("an uninstall leaves nothing on the node but the wrapper, which ends the pods of its handler", async () => {
  expect(engine.onNode("ls", "-d", LINK, TREE)).toBe(`${TREE}\n${LINK}\n`);
  engine.removeAgent();
  // The directory of the tree stays, empty: it is mounted into the pod that removes its content.
  const left = `find ${LINK} ${DATA} ${TREE} -not -path ${TREE} -not -path ${DATA} 2> /dev/null || true`;
  expect(engine.onNode("sh", "-c", left)).toBe("");
  // The restored pod runs on. Without the program the wrapper passes all calls through.
  await steps.resumed(
    "web",
    NAMES,
    NAMES.map((name) => steps.counts.last("web", name)),
  );
  engine.kubectl(["delete", "pod", "web"]);
  const runtimeClasses = engine.kubectl(["get", "runtimeclasses", "-o", "jsonpath={.items[*].handler}"]);
  expect(runtimeClasses.split(" ")).toContain(CRIU_HANDLER.name);
  engine.onNode("test", "-x", WRAPPER);
  // The controller removes these a minute after both DaemonSets were deleted.
  await eventually(() => {
    const { spec, status } = engine.node();
    expect(spec.taints?.map(({ key }) => key) ?? []).not.toContain(TAINT);
    expect(status.conditions.map(({ type }) => type)).not.toContain("CedanaReady");
  }, 120);
  engine.deleteInstall();
  expect(engine.kubectl(["get", "namespaces", "-o", "name"])).not.toMatch(/cedana/);
});
