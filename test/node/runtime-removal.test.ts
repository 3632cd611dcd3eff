/** The removal of the wrapper from a real node after an uninstall: never while a container of its handler is left. */
import { ran } from "../../testbed/node/run";
import { eventually, NODE } from "../../testbed/node/testbed";
import type { WrapperNode } from "../../testbed/node/wrapper";
import { Restores, shell } from "./support/restore";

const WRAPPER = "/usr/local/bin/cedana-runc";
const FOREVER = { containers: [shell("main", "echo begun; while :; do sleep 0.1; done")] };

describe("remove-wrapper", () => {
  let restores: Restores;
  let node: WrapperNode;

  beforeAll(async () => {
    restores = await Restores.open();
    ({ node } = restores);
    restores.removePods();
  });
  afterAll(() => node?.close());

  /** Runs the command as the timer's service does: the wrapper in the role of cedana-node. */
  function remove() {
    const kit = `${process.env["CEDANA_TESTBED"]!}/${NODE.commands}/on-node`;
    const script = `exec -a cedana-node ${WRAPPER} remove-wrapper`;
    const { status, stdout, stderr } = ran(kit, ["--dir", node.folder, "bash", "-c", script]);
    return { status, text: `${stdout}${stderr}` };
  }
  const exists = () => node.onNode("sh", "-c", `ls ${WRAPPER}* 2> /dev/null || true`).trim();
  const uninstall = () => node.onNode("rm", "-rf", "/opt/cedana-cdk");

  test("keeps the wrapper while the programs of the node are installed", () => {
    expect(remove()).toMatchObject({ status: 1, text: expect.stringContaining("are installed") });
    expect(exists()).toBe(WRAPPER);
  });

  test("keeps it while a pod of its handler runs, which can be stopped, and removes it then", async () => {
    node.create("left", FOREVER);
    node.ready("left");
    uninstall();
    const { status, text } = remove();
    expect(status).toBe(75);
    expect(text).toContain("containerd calls the wrapper for 2 containers");
    expect(text).toContain("(default/left, main)");
    expect(text).toContain("(default/left, sandbox)");
    expect(exists()).toBe(WRAPPER);
    // Also an exec and the deletion are calls of the wrapper.
    expect(node.exec("left", "main", "echo", "runs")).toBe("runs\n");
    restores.removePods();
    await eventually(() => expect(remove()).toMatchObject({ status: 0, text: `${WRAPPER} was removed\n` }));
    expect(exists()).toBe("");
  });

  test("then only pods of the handler wait, until an agent is installed again", async () => {
    node.create("waits", FOREVER);
    node.create("ordinary", { ...FOREVER, runtimeClassName: null });
    node.ready("ordinary");
    await eventually(() => {
      const events = node.kubectl(["get", "events", "-o", "jsonpath={.items[*].message}"]);
      expect(events).toContain("cedana-runc");
    });
    expect(restores.status("waits", ".phase")).toBe("Pending");
    node.install();
    node.ready("waits");
    restores.removePods();
  });
});
