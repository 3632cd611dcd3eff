/**
 * Restores whose memory is loaded while the processes run, on a real node: the processes find all of it, also in children and
 * moved mappings, or they are killed. They never read zeros, whatever dies.
 */
import { eventually, KIND } from "../../testbed/node/testbed";
import { pushProgram } from "../../testbed/node/program";
import type { WrapperNode } from "../../testbed/node/wrapper";
import { memory, MemoryServers } from "./support/memory";
import { outcome, Restores } from "./support/restore";

const describeInNamespaces = KIND === "namespaces" ? describe : describe.skip;

/** Megabytes of a container. */
const SIZE = 512;
const LAZY = { lazy: true };

describeInNamespaces("memory that is loaded on access", () => {
  let restores: Restores;
  let node: WrapperNode;
  let servers: MemoryServers;
  const spec = { containers: [memory("main", SIZE)] };

  const signal = (pod: string, name: string) => node.onNode("kill", `-${name}`, restores.process(pod));
  /** Waits until a process has been restored and finds no bad page. */
  const ticks = (pod: string, container = "main") =>
    restores.logged(pod, container, /^tick (\d+) checked \d+ bad 0$/m);

  beforeAll(async () => {
    restores = await Restores.open();
    ({ node } = restores);
    servers = new MemoryServers(node);
    restores.removePods();
    pushProgram("memory");
    await servers.startService();
    await restores.source("/root/memory", spec, () => restores.logged("source", "main", /^tick 5 /m));
    restores.removePods();
  });
  afterEach(() => restores.removePods());
  afterAll(() => {
    servers?.stopService();
    node?.close();
  });

  test("is complete, in the process and its children, and the server ends", async () => {
    const state = node.restore("copy", spec, "/root/memory", LAZY);
    expect(outcome(state)).toMatchObject({ decision: "restore", phases: { main: "Restored" } });
    expect(state.containers?.["main"]).toMatchObject({ lazy: true });
    signal("copy", "USR2");
    signal("copy", "USR1");
    await restores.logged("copy", "main", /^child bad 0$/m);
    await restores.logged("copy", "main", /^all bad 0$/m);
    await ticks("copy");
    await eventually(() => expect(servers.status("copy", "main").phase).toBe("Loaded"));
    expect(servers.status("copy", "main").bytes).toBeGreaterThanOrEqual(SIZE << 20);
    await eventually(() => expect(servers.all()).toEqual([]));
    expect(restores.restarts("copy")).toBe("0");
  });

  /** Restores the pod `copy` and stops its server while memory is missing. Returns the PID of the server. */
  async function halfway(
    fields: object = {},
    pod: object = spec,
    checkpoint = "/root/memory",
  ): Promise<string> {
    const stopped = servers.stopNext("main");
    node.create("copy", pod, true);
    node.plan(checkpoint, "copy", { ...LAZY, ...fields });
    const server = await stopped();
    await node.state("copy", ({ containers }) => containers?.["main"]?.phase === "Restored");
    // The kubelet reports the container later.
    await eventually(() => expect(restores.status("copy", ".containerStatuses[0].containerID")).not.toBe(""));
    expect(servers.status("copy", "main").phase).toBe("Loading");
    return server;
  }

  /** Waits until the container was killed and created again, and checks that no process read a wrong page before. */
  async function killed(container = "main"): Promise<void> {
    await eventually(() => expect(restores.status("copy", ".containerStatuses[0].restartCount")).toBe("1"));
    // The kubelet counts the restart before it has the log of the container that ended.
    const log = await eventually(() => node.kubectl(["logs", "copy", "-c", container, "--previous"]));
    expect(log).not.toMatch(/bad [1-9]/);
    expect(restores.status("copy", ".containerStatuses[0].lastState.terminated.exitCode")).toBe("137");
  }

  test("waits while the server stands still, and is complete for children and moved mappings afterwards", async () => {
    const server = await halfway();
    signal("copy", "USR2");
    signal("copy", "USR1");
    signal("copy", "WINCH");
    node.onNode("kill", "-CONT", server);
    await restores.logged("copy", "main", /^child bad 0$/m);
    await restores.logged("copy", "main", /^all bad 0$/m);
    await restores.logged("copy", "main", /^moved bad 0$/m);
    await eventually(() => expect(servers.all()).toEqual([]));
  });

  test("is not replaced by zeros when the server is killed: the container is killed and starts fresh", async () => {
    const server = await halfway();
    signal("copy", "USR2");
    signal("copy", "USR1");
    node.onNode("kill", "-KILL", server);
    await killed();
    const state = await node.state(
      "copy",
      ({ containers }) => containers?.["main"]?.phase === "StartedFresh",
    );
    expect(outcome(state)).toMatchObject({ decision: "fresh", reason: "MemoryLost" });
    expect(state.message).toMatch(/server of memory was killed/);
    await restores.logged("copy", "main", /^filled$/m);
    await ticks("copy");
    expect(servers.all()).toEqual([]);
  });

  test("is complete when the keeper is killed: the server starts another one", async () => {
    const server = await halfway();
    const [keeper] = servers.keepers();
    node.onNode("kill", "-KILL", keeper!);
    node.onNode("kill", "-CONT", server);
    signal("copy", "USR1");
    await restores.logged("copy", "main", /^all bad 0$/m);
    expect(restores.restarts("copy")).toBe("0");
    await eventually(() => expect(servers.all()).toEqual([]));
  });

  test("is missed by the service when server and keeper are killed at once: it kills the container", async () => {
    const server = await halfway();
    node.onNode("kill", "-KILL", ...servers.keepers(), server);
    // The agent asks until all memory is loaded. The lock is free when the kernel has ended both.
    await eventually(() =>
      expect(servers.call("outcome", { podUID: node.uid("copy") })).toMatchObject({
        decision: "fresh",
        reason: "MemoryLost",
      }),
    );
    await eventually(() => expect(restores.restarts("copy")).toBe("1"));
    expect(servers.all()).toEqual([]);
  });

  test("that cannot be read ends the container, which starts fresh", async () => {
    const server = await halfway();
    const pages = `/var/lib/cedana-cdk/restore/${node.uid("copy")}/checkpoint/containers/main/images`;
    servers.script(`truncate -s 4096 ${pages}/pages-*.img`);
    node.onNode("kill", "-CONT", server);
    await killed();
    const state = await node.state(
      "copy",
      ({ containers }) => containers?.["main"]?.phase === "StartedFresh",
    );
    expect(outcome(state)).toMatchObject({ decision: "fresh", reason: "MemoryLost" });
    expect(state.message).toMatch(/cannot read pages of the checkpoint/);
  });

  test("that is lost is loaded again, before the process runs, if the plan says so", async () => {
    const server = await halfway({ restart: "again" });
    const { containers: before } = await node.state("copy");
    node.onNode("kill", "-KILL", server);
    await killed();
    const state = await node.state(
      "copy",
      ({ containers: { main } = {} }) => main?.phase === "Restored" && main.id !== before?.["main"]?.id,
    );
    expect(state.containers?.["main"]?.eager).toMatch(/server of memory was killed/);
    await eventually(() => expect(restores.process("copy")).toMatch(/^\d+$/));
    signal("copy", "USR1");
    await restores.logged("copy", "main", /^all bad 0$/m);
    expect(servers.all()).toEqual([]);
  });

  test("of several processes of a container, one of them a zombie, is complete", async () => {
    // The zombie's parent is busybox, which does not wait for a child that it got by exec.
    const script = `/bin/memory 32 & /bin/memory 32 & sh -c 'sleep 0.1 & exec /bin/memory 32'`;
    const several = { containers: [memory("main", 0, { command: ["/bin/sh", "-c", script] })] };
    await restores.source("/root/several", several, () =>
      restores.logged("source", "main", /^tick 5 [^]*^tick 5 [^]*^tick 5 /m),
    );
    const state = node.restore("copy", several, "/root/several", LAZY);
    expect(state.containers?.["main"]).toMatchObject({ phase: "Restored", lazy: true });
    expect(state.containers?.["main"]?.eager).toBeUndefined();
    node.onNode("pkill", "-USR1", "-x", "memory");
    const log = await restores.logged("copy", "main", /^all bad 0$[^]*^all bad 0$[^]*^all bad 0$/m);
    expect(log.input).not.toMatch(/bad [1-9]/);
    await eventually(() => expect(servers.all()).toEqual([]));
  });

  test("that is cleared in children is zero there, also where it was missing at the fork", async () => {
    const wiping = {
      containers: [memory("main", SIZE, { command: ["/bin/memory", "wipe", String(SIZE)] })],
    };
    await restores.source("/root/wipe", wiping, () => restores.logged("source", "main", /^tick 5 /m));
    const server = await halfway({}, wiping, "/root/wipe");
    const state = await node.state("copy");
    expect(state.containers?.["main"]).toMatchObject({ lazy: true });
    expect(state.containers?.["main"]?.eager).toBeUndefined();
    // It forks before the server has loaded the mapping, which comes last, and again after all is loaded.
    signal("copy", "USR2");
    node.onNode("kill", "-CONT", server);
    await restores.logged("copy", "main", /^child bad 0$/m);
    signal("copy", "USR1");
    await restores.logged("copy", "main", /^child bad 0$[^]*^all bad 0$/m);
    signal("copy", "USR2");
    await restores.logged("copy", "main", /^child bad 0$[^]*^child bad 0$/m);
    await eventually(() => expect(servers.all()).toEqual([]));
  });

  test("of one container that is lost also ends the other one: both start fresh", async () => {
    const two = { containers: [memory("main", SIZE), memory("other", 16)] };
    await restores.source("/root/two", two, () => restores.logged("source", "other", /^tick 5 /m));
    const stopped = servers.stopNext("main");
    node.create("copy", two, true);
    node.plan("/root/two", "copy", LAZY);
    const server = await stopped();
    await node.state("copy", ({ containers }) => containers?.["other"]?.phase === "Restored");
    node.onNode("kill", "-KILL", server);
    await eventually(() => expect(restores.restarts("copy")).toBe("1 1"));
    const state = await node.state(
      "copy",
      ({ containers }) =>
        containers?.["main"]?.phase === "StartedFresh" && containers["other"]?.phase === "StartedFresh",
    );
    expect(outcome(state)).toMatchObject({ decision: "fresh", reason: "MemoryLost" });
    expect(servers.all()).toEqual([]);
  });

  test("stays on the node while it is loaded, also when containerd and the service are restarted", async () => {
    const server = await halfway();
    const plan = { podUID: node.uid("copy") };
    expect(() => servers.call("forgetPlan", plan)).toThrow(/InUse/);
    await servers.startService();
    expect(() => servers.call("forgetPlan", plan)).toThrow(/InUse/);
    expect(() => servers.call("checkpoint", { ...plan, uid: "early" })).toThrow(/memory .* is still loaded/);
    node.onNode("pkill", "-x", "containerd");
    node.onNode("kill", "-CONT", server);
    signal("copy", "USR1");
    await restores.logged("copy", "main", /^all bad 0$/m);
    await eventually(() => servers.call("forgetPlan", plan));
    expect(restores.restarts("copy")).toBe("0");
  });

  test("of a pod that is deleted meanwhile leaves nothing", async () => {
    const server = await halfway();
    restores.removePods();
    node.onNode("kill", "-CONT", server);
    await eventually(() => expect(servers.all()).toEqual([]));
    expect(node.leftovers()).toBe("");
  });

  test("is loaded before the process runs where the service does not answer, and the reason is recorded", async () => {
    servers.stopService();
    try {
      const state = node.restore("copy", spec, "/root/memory", LAZY);
      expect(state.containers?.["main"]?.eager).toMatch(/host service does not answer/);
      await ticks("copy");
    } finally {
      await servers.startService();
    }
  });

  // CRIU fails with the first one after it has connected to the server, and with the others before.
  test.each(["fs-1.img", "files.img", "pstree.img"])(
    "of an image set with a damaged %s is not loaded: the container starts fresh in the same call",
    async (file) => {
      node.onNode("sh", "-c", "rm -rf /root/damaged; cp -a /root/memory /root/damaged");
      node.onNode("lay", "damage", "/root/damaged", "main", `images/${file}`);
      const state = node.restore("copy", spec, "/root/damaged", LAZY);
      expect(outcome(state)).toMatchObject({
        decision: "fresh",
        reason: "CRIUFailed",
        phases: { main: "StartedFresh" },
      });
      await restores.logged("copy", "main", /^filled$/m);
      expect(restores.restarts("copy")).toBe("0");
      expect(servers.all()).toEqual([]);
    },
  );
});
