/**
 * Restores that fail on a real node: the pod starts fresh in the same place, with nothing of the restore left, whatever fails
 * and whenever.
 */
import { counting } from "../../testbed/node/counting";
import { eventually } from "../../testbed/node/testbed";
import type { RestoreState, WrapperNode } from "../../testbed/node/wrapper";
import { freshly, ONE, outcome, Restores, shell } from "./support/restore";

/** Path of a CRIU that hides the node's in /usr/sbin. The node in namespaces has a workaround there. */
const CRIU = "/usr/local/sbin/criu";

describe("a restore", () => {
  let restores: Restores;
  let node: WrapperNode;

  /** A container that changes its files and a volume, and outputs what a fresh start must not see. */
  const STATEFUL = {
    volumes: [{ name: "data", emptyDir: {} }],
    initContainers: [
      shell("init", "echo initial > /data/init", { volumeMounts: [{ name: "data", mountPath: "/data" }] }),
    ],
    containers: [
      shell(
        "main",
        `echo files: $(ls /made /bin/wget /data/ /dev/shm 2>&1); mkdir /made; rm -f /bin/wget /data/init; echo x > /data/number
         echo x > /dev/shm/file; i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done`,
        { volumeMounts: [{ name: "data", mountPath: "/data" }] },
      ),
    ],
  };
  /** What the first line of a fresh start is: as in the image and after the init container. */
  const INITIAL = /^files: ls: \/made: No such file or directory \/bin\/wget \/data\/: init \/dev\/shm:$/m;

  beforeAll(async () => {
    restores = await Restores.open();
    ({ node } = restores);
    restores.removePods();
    await restores.source("/root/one", ONE, () => restores.counts.reach("source", "count", 2));
    restores.removePods();
    await restores.source("/root/stateful", STATEFUL, () => restores.logged("source", "main", /^tick 3$/m));
    restores.removePods();
  });
  afterEach(() => restores.removePods());
  afterAll(() => node?.close());

  /** Copies a checkpoint and overwrites a part of an image of CRIU, with the sha256 in its metadata. */
  function damaged(directory: string, container: string, image: string) {
    node.onNode("sh", "-c", `rm -rf /root/damaged; cp -a ${directory} /root/damaged`);
    node.onNode("lay", "damage", "/root/damaged", container, `images/${image}`);
    return "/root/damaged";
  }

  /** Runs a test with another program as CRIU. */
  async function withCriu(script: string, test: () => Promise<void>) {
    node.onNode("sh", "-c", `[ ! -e ${CRIU} ] || mv ${CRIU} ${CRIU}.real`);
    node.feed(script, "sh", "-c", `cat > ${CRIU}; chmod 755 ${CRIU}`);
    try {
      await test();
    } finally {
      node.onNode("sh", "-c", `rm ${CRIU}; [ ! -e ${CRIU}.real ] || mv ${CRIU}.real ${CRIU}`);
    }
  }

  test("resumes where it was, with the changed files, without damaged images", async () => {
    const state = node.restore("copy", STATEFUL, "/root/stateful");
    expect(outcome(state)).toMatchObject({ decision: "restore", phases: { main: "Restored" } });
    const [, first] = await restores.logged("copy", "main", /^tick (\d+)$/m);
    expect(Number(first)).toBeGreaterThan(3);
    expect(node.exec("copy", "main", "sh", "-c", "ls -d /made; ls /data /bin/wget 2>&1 || true")).toBe(
      "/made\nls: /bin/wget: No such file or directory\n/data:\nnumber\n",
    );
  });

  test.each([
    ["mm-1.img", "CRIUFailed", /\.c:\d+: /],
    ["pagemap-1.img", "CRIUFailed", /\.c:\d+: /],
    // Its credentials are compared before CRIU runs.
    ["core-1.img", "Incompatible", /core-1\.img/],
    ["files.img", "CRIUFailed", /\.c:\d+: /],
    ["pstree.img", "CRIUFailed", /\.c:\d+: /],
  ])(
    "with a damaged %s starts fresh, with files and volumes as before the restore",
    async (image, reason, message) => {
      const state = node.restore("copy", STATEFUL, damaged("/root/stateful", "main", image));
      expect(outcome(state)).toEqual(freshly(reason, { main: "StartedFresh" }));
      expect(state.message).toMatch(message);
      await restores.logged("copy", "main", INITIAL);
      expect(node.exec("copy", "main", "cat", "/proc/sys/kernel/hostname")).toBe("copy\n");
      expect(restores.restarts("copy")).toBe("0");
      restores.removePods();
      expect(node.leftovers()).toBe("");
    },
  );

  test("whose CRIU does not end starts fresh at the time limit", async () => {
    await withCriu("#!/bin/sh\nsetsid sleep 1000 & sleep 1000", async () => {
      const state = node.restore("copy", STATEFUL, "/root/stateful", { restoreSeconds: 2 });
      expect(outcome(state)).toEqual(freshly("LimitExceeded", { main: "StartedFresh" }));
      await restores.logged("copy", "main", INITIAL);
      expect(node.onNode("sh", "-c", "pgrep -x sleep -a | grep 1000 || true")).toBe("");
      restores.removePods();
      expect(node.leftovers()).toBe("");
    });
  });

  test("whose CRIU fills the disk starts fresh at the limit of its log", async () => {
    // The configuration of CRIU is beside its log. Lines of 1 kB: an emulated node must write them before the time limit.
    const script = `#!/bin/sh
      log=$(dirname "$CRIU_CONFIG_FILE")/restore.log
      while :; do printf '(00.1) %01000d\\n' 0 >> "$log"; sleep 0.01; done`;
    await withCriu(script, async () => {
      const state = node.restore("copy", STATEFUL, "/root/stateful", { logBytes: 100_000 });
      expect(outcome(state)).toEqual(freshly("LimitExceeded", { main: "StartedFresh" }));
      expect(state.message).toMatch(/log of 100000 bytes/);
      await restores.logged("copy", "main", INITIAL);
    });
  });

  test("whose CRIU is killed when the process runs already starts fresh, without that process", async () => {
    const script = "/root/post-resume";
    node.feed(
      `#!/bin/sh
      [ "$CRTOOLS_SCRIPT_ACTION" != post-resume ] || { sleep 1; kill -KILL $PPID; }`,
      "sh",
      "-c",
      `mkdir -p /etc/criu; cat > ${script}; chmod 755 ${script}; echo action-script ${script} > /etc/criu/default.conf`,
    );
    try {
      const state = node.restore("copy", STATEFUL, "/root/stateful");
      expect(outcome(state)).toEqual(freshly("CRIUFailed", { main: "StartedFresh" }));
      await restores.logged("copy", "main", INITIAL);
      // What the restored process printed until then stays in the log. The other one counts alone after it.
      const [log] = await restores.logged("copy", "main", /^(tick \d+\n)+files: [^]*\ntick 5$/m);
      const ticks = [...log.matchAll(/^tick (\d+)$/gm)].map(([, number]) => Number(number));
      expect(ticks[0]).toBeGreaterThan(3);
      expect(ticks.slice(ticks.indexOf(1))).toEqual([1, 2, 3, 4, 5]);
      expect(restores.restarts("copy")).toBe("0");
    } finally {
      node.onNode("rm", "/etc/criu/default.conf", script);
    }
    restores.removePods();
    expect(node.leftovers()).toBe("");
  });

  test("whose plan demands it fails the pod, and keeps failing it", async () => {
    const pod = { ...ONE, restartPolicy: "Never" };
    node.create("copy", pod, true);
    node.plan(damaged("/root/one", "count", "mm-1.img"), "copy", { fallback: "fail" });
    const state = await node.state("copy", ({ decision }) => decision === "fail");
    expect(outcome(state)).toMatchObject({ reason: "CRIUFailed", phases: { count: "Failed" } });
    await eventually(() => expect(restores.status("copy", ".phase")).toBe("Failed"));
    expect(restores.status("copy", ".containerStatuses[0].state.terminated.message")).toMatch(
      /cedana-runc: CRIUFailed: .*mm-1\.img/,
    );
  });

  test("of the second container that fails also restarts the first one fresh", async () => {
    const spec = {
      volumes: [{ name: "data", emptyDir: {} }],
      containers: ["first", "second"].map((name) =>
        shell(
          name,
          `ls /data; echo x > /data/${name}; i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done`,
          {
            volumeMounts: [{ name: "data", mountPath: "/data" }],
          },
        ),
      ),
    };
    await restores.source("/root/pair", spec, () => restores.logged("source", "second", /^tick 5$/m));
    node.create("copy", spec, true);
    node.plan(damaged("/root/pair", "second", "mm-1.img"), "copy");
    const state = await node.state(
      "copy",
      ({ decision, containers }) => decision === "fresh" && containers?.["first"]?.phase === "StartedFresh",
    );
    expect(outcome(state)).toEqual(freshly("CRIUFailed", { first: "StartedFresh", second: "StartedFresh" }));
    await restores.logged("copy", "first", /^tick 1$/m);
    await restores.logged("copy", "second", /^tick 1$/m);
    expect(restores.restarts("copy")).toBe("1 0");
    expect(node.exec("copy", "first", "cat", "/proc/sys/kernel/hostname")).toBe("copy\n");
  });

  test("waits for a late plan", async () => {
    node.create("copy", ONE, true);
    await eventually(() =>
      expect(node.onNode("sh", "-c", "pgrep -f 'cedana-runc.* create' || true")).not.toBe(""),
    );
    node.plan("/root/one", "copy");
    node.ready("copy");
    expect(outcome(await node.state("copy"))).toMatchObject({ decision: "restore" });
    expect((await restores.counts.reach("copy", "count", 3)).count).toBeGreaterThan(2);
  });

  test("without a plan starts fresh after the limit, and a later plan is rejected", async () => {
    node.create("copy", ONE, true);
    node.ready("copy");
    expect(outcome(await node.state("copy"))).toEqual(freshly("PlanMissing", {}));
    expect(() => node.plan("/root/one", "copy")).toThrow(/file exists|not empty/);
    node.onNode("sh", "-c", "rm -rf /var/lib/cedana-cdk/restore/.laying-*");
  });

  /** Kills the process of a container, and waits until the kubelet has created the container again. */
  async function crash(pod: string, container: string, times: string): Promise<RestoreState> {
    const { containers } = await node.state(pod);
    node.onNode("kill", "-KILL", restores.process(pod));
    await eventually(() => expect(restores.restarts(pod)).toBe(times));
    return node.state(pod, (state) => state.containers?.[container]?.id !== containers?.[container]?.id);
  }

  test("is not repeated when the process ends later", async () => {
    node.restore("copy", ONE, "/root/one");
    const before = await restores.counts.reach("copy", "count", 3);
    expect(outcome(await crash("copy", "count", "1")).phases).toEqual({ count: "StartedFresh" });
    await eventually(() => expect(restores.counts.last("copy", "count").token).not.toBe(before.token));
  });

  test("is repeated, with its volume, when the process ends later and the plan says so", async () => {
    node.restore("copy", STATEFUL, "/root/stateful", { restart: "again" });
    const [, first] = await restores.logged("copy", "main", /^tick (\d+)$/m);
    node.exec("copy", "main", "sh", "-c", "echo y > /data/number; touch /data/more");
    expect(outcome(await crash("copy", "main", "1")).phases).toEqual({ main: "Restored" });
    const [, again] = await restores.logged("copy", "main", /^tick (\d+)$/m);
    expect(again).toBe(first);
    expect(node.exec("copy", "main", "sh", "-c", "ls /data; cat /data/number")).toBe("number\nx\n");
  });

  test("of a pod that is deleted meanwhile leaves nothing", async () => {
    await withCriu("#!/bin/sh\nsleep 1000", async () => {
      node.create("copy", STATEFUL, true);
      node.plan("/root/stateful", "copy", { restoreSeconds: 5 });
      await node.state("copy", ({ containers }) => containers?.["main"]?.phase === "Restoring");
      node.kubectl(["delete", "pod", "copy", "--grace-period=1"]);
      await eventually(() => expect(node.leftovers()).toBe(""));
    });
  });

  test("survives that nothing is installed: pods of the handler start, run and end", async () => {
    node.restore("copy", { containers: [counting("count", 16)] }, "/root/one");
    node.onNode("mv", "/opt/cedana-cdk", "/opt/away");
    try {
      expect((await restores.counts.reach("copy", "count", 6)).count).toBeGreaterThan(5);
      node.create("later", ONE, true);
      node.ready("later");
      expect((await restores.counts.reach("later", "count", 1)).count).toBeLessThan(60);
    } finally {
      node.onNode("mv", "/opt/away", "/opt/cedana-cdk");
      restores.removePods();
    }
  });
});
