/** Checkpoints of restored pods: what a container resumes from when it ends. */
import { VirtualTime } from "../../../../support/virtual-time";
import { CHECKPOINTS, Node, RESTORES } from "./support";

const at = (name: string) => `${CHECKPOINTS}/${name}`;
const POD = { podRef: { namespace: "shop", name: "web", uid: "pod-1" } };

let time: VirtualTime;
let node: Node;
beforeEach(() => {
  time = new VirtualTime().install();
  node = new Node(time);
});
afterEach(() => {
  node.end();
  time.uninstall();
});

/** Restores the pod from the Checkpoint `cp`. */
async function restored(restart: string): Promise<void> {
  node.restore("pod-1", { restart });
  void node.model.create("pod-1");
  await node.start().ready;
  await node.finished(`${RESTORES}/pod-1`);
}

const planned = () => node.model.pods.get("pod-1")?.plan?.checkpoint;

test("a pushed checkpoint of a pod that is restored again becomes that of its plan", async () => {
  await restored("again");
  node.model.registryDown = true;
  node.checkpoint("newer", POD);
  await node.until(() => node.message(at("newer")).includes("retrying after"));
  expect([planned(), node.model.replans]).toEqual(["cp", []]);
  node.model.registryDown = false;
  await node.finished(at("newer"));
  expect(node.condition(at("newer"))).toBe("Ready CheckpointCompleted");
  expect([planned(), node.model.checkpoints.size]).toEqual(["newer", 0]);
  expect(node.model.replans).toEqual([{ podUID: "pod-1", checkpoint: "newer", reserveBytes: 1000 }]);
});

test("a checkpoint of a pod that starts fresh is deleted on the node", async () => {
  await restored("fresh");
  node.checkpoint("newer", POD);
  node.checkpoint("of-another");
  await node.finished(at("newer"), at("of-another"));
  expect([planned(), node.model.checkpoints.size]).toEqual(["cp", 0]);
});

test.each([
  ["ended the processes", { options: { leaveRunning: false } }],
  ["was not pushed", { timeoutSeconds: 1 }],
])("a checkpoint that %s replaces no plan", async (name, spec) => {
  await restored("again");
  node.model.registryDown = name === "was not pushed";
  node.checkpoint("newer", { ...POD, ...spec });
  await node.finished(at("newer"));
  expect([planned(), node.model.replans, node.model.checkpoints.size]).toEqual(["cp", [], 0]);
});

test("waits while a container of the pod is restored, for a limited time", async () => {
  await restored("again");
  node.model.locked.add("pod-1");
  node.checkpoint("newer", POD);
  await node.until(() => node.model.replans.length > 2);
  node.model.locked.delete("pod-1");
  await node.finished(at("newer"));
  expect(planned()).toBe("newer");

  node.model.locked.add("pod-1");
  node.checkpoint("later", POD);
  await node.finished(at("later"));
  expect(node.condition(at("later"))).toBe("Ready CheckpointCompleted");
  expect([planned(), node.model.checkpoints.size]).toEqual(["newer", 0]);
});

test("a service without the request deletes the checkpoint", async () => {
  await restored("again");
  node.model.unknown.add("replan");
  node.checkpoint("newer", POD);
  await node.finished(at("newer"));
  expect([planned(), node.model.checkpoints.size, node.model.replans.length]).toEqual(["cp", 0, 1]);
});

test("the next process completes it wherever the agent is killed", async () => {
  let died = 0;
  for (let dieAt = 1; dieAt <= 40; dieAt++) {
    node.end();
    node = new Node(time);
    await restored("again");
    node.end();
    node.checkpoint("newer", POD);
    const first = node.start({ dieAt });
    await node.until(() => first.dead || (node.isOver(at("newer")) && node.entries.size === 0));
    if (first.dead) died++;
    first.kill();
    await node.start().ready;
    await node.finished(at("newer"));
    expect(node.condition(at("newer"))).toBe("Ready CheckpointCompleted");
    expect({ dieAt, plan: planned(), left: node.model.checkpoints.size }).toEqual({
      dieAt,
      plan: "newer",
      left: 0,
    });
  }
  expect(died).toBeGreaterThanOrEqual(10);
});
