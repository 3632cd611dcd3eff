/**
 * The OCI runtime wrapper on a real node, judged by what the processes output: it passes ordinary containers through, restores
 * pods from a plan, and permits a process no more than its new pod has.
 */
import { counting } from "../../testbed/node/counting";
import { eventually } from "../../testbed/node/testbed";
import { pushProgram } from "../../testbed/node/program";
import type { WrapperNode } from "../../testbed/node/wrapper";
import { memory } from "./support/memory";
import { freshly, ONE, outcome, Restores, shell } from "./support/restore";

describe("the wrapper", () => {
  let restores: Restores;
  let node: WrapperNode;

  beforeAll(async () => {
    restores = await Restores.open();
    ({ node } = restores);
    restores.removePods();
  });
  afterEach(() => restores.removePods());
  afterAll(() => node?.close());

  test("passes the containers of a pod without a plan through: output, exec, exit code, deletion", async () => {
    node.create("plain", {
      restartPolicy: "Never",
      containers: [shell("main", "echo begun; trap 'exit 7' TERM; while :; do sleep 0.1; done")],
    });
    node.ready("plain");
    await restores.logged("plain", "main", /^begun$/m);
    expect(node.exec("plain", "main", "cat", "/proc/sys/kernel/hostname")).toBe("plain\n");
    node.exec("plain", "main", "kill", "1");
    await eventually(() =>
      expect(restores.status("plain", ".containerStatuses[0].state.terminated.exitCode")).toBe("7"),
    );
    restores.removePods();
    expect(node.leftovers()).toBe("");
  });

  test("restores a process: memory, output, host name of the new pod, exec, deletion without traces", async () => {
    // Another quality of service has another OOM score.
    const burstable = { ...counting("count", 16), resources: { requests: { memory: "2Gi" } } };
    await restores.source("/root/one", { containers: [burstable] }, () =>
      restores.counts.reach("source", "count", 3),
    );
    expect(node.onNode("cat", `/proc/${restores.process("source")}/oom_score_adj`)).not.toBe("1000\n");
    const before = restores.counts.last("source", "count");
    const state = node.restore("copy", ONE, "/root/one");
    expect(outcome(state)).toEqual({ decision: "restore", reason: undefined, phases: { count: "Restored" } });
    const after = await restores.counts.reach("copy", "count", before.count + 2);
    expect(after.token).toBe(before.token);
    expect(restores.restarts("copy")).toBe("0");
    const pid = restores.process("copy");
    expect(node.onNode("nsenter", "-t", pid, "-u", "hostname").trim()).toBe("copy");
    expect(node.onNode("cat", `/proc/${pid}/oom_score_adj`)).toBe("1000\n");
    expect((await restores.counts.reach("source", "count", before.count + 2)).token).toBe(before.token);
    restores.removePods();
    expect(node.leftovers()).toBe("");
  });

  test("restores a process whose exit code is reported like any other", async () => {
    const script = "trap 'exit 7' TERM; i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1; done";
    const spec = { restartPolicy: "Never", containers: [shell("main", script)] };
    await restores.source("/root/exit", spec, () => restores.logged("source", "main", /^tick 5$/m));
    node.restore("copy", spec, "/root/exit");
    const [, first] = await restores.logged("copy", "main", /^tick (\d+)$/m);
    expect(Number(first)).toBeGreaterThan(4);
    node.exec("copy", "main", "kill", "1");
    const exitCode = ".containerStatuses[0].state.terminated.exitCode";
    await eventually(() => expect(restores.status("copy", exitCode)).toBe("7"));
    // The kubelet writes the phase of the pod later than the state of the container.
    await eventually(() => expect(restores.status("copy", ".phase")).toBe("Failed"));
  });

  test("restores two containers with volumes, shared memory and changed files at one moment", async () => {
    const mounts = { volumeMounts: [{ name: "data", mountPath: "/data" }] };
    const spec = {
      volumes: [{ name: "data", emptyDir: {} }],
      containers: [
        shell(
          "writer",
          `mkfifo /data/pipe; rm -f /bin/wget; mkdir /etc/made; echo root > /etc/made/file; echo shared > /dev/shm/file
           exec 3<>/data/pipe; i=0; while :; do i=$((i+1)); echo $i >&3; echo $i > /data/number; echo wrote $i; sleep 0.2; done`,
          mounts,
        ),
        shell(
          "reader",
          `until [ -p /data/pipe ]; do sleep 0.1; done; exec 3<>/data/pipe; while read n <&3; do echo read $n; done`,
          {
            ...mounts,
            securityContext: {
              runAsUser: 0,
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ["ALL"] },
              seccompProfile: { type: "RuntimeDefault" },
            },
          },
        ),
      ],
    };
    await restores.source("/root/two", spec, () => restores.logged("source", "reader", /^read 10$/m));
    const state = node.restore("copy", spec, "/root/two");
    expect(outcome(state).phases).toEqual({ writer: "Restored", reader: "Restored" });
    // The first number that the restored writer writes follows the last ONE that either process had at the checkpoint.
    const [, first] = await restores.logged("copy", "writer", /^wrote (\d+)$/m);
    const [, read] = await restores.logged("copy", "reader", /^read (\d+)$/m);
    expect(Number(first)).toBeGreaterThan(9);
    expect(Number(read) - Number(first)).toBeGreaterThanOrEqual(-1);
    expect(Number(read) - Number(first)).toBeLessThanOrEqual(0);
    await restores.logged("copy", "reader", new RegExp(`^read ${Number(first) + 10}$`, "m"));
    expect(node.exec("copy", "writer", "cat", "/etc/made/file")).toBe("root\n");
    expect(node.exec("copy", "writer", "sh", "-c", "cat /dev/shm/file; ls /bin/wget || true")).toBe(
      "shared\n",
    );
    expect(Number(node.exec("copy", "reader", "cat", "/data/number").trim()) >= Number(first)).toBe(true);
    expect(
      node.exec("copy", "reader", "sh", "-c", "grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/1/status"),
    ).toBe("CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n");
    expect(node.exec("copy", "writer", "hostname")).toBe("copy\n");
    expect(restores.restarts("copy")).toBe("0 0");
  });

  test("restores what a FIFO between containers has once", async () => {
    const mounts = { volumeMounts: [{ name: "data", mountPath: "/data" }] };
    const open = "until [ -p /data/pipe ]; do sleep 0.1; done; exec 3<>/data/pipe; echo opened";
    const read = "until [ -e /data/read ]; do sleep 0.1; done; while read n <&3; do echo read $n; done";
    const spec = {
      volumes: [{ name: "data", emptyDir: {} }],
      containers: [
        shell("writer", `mkfifo /data/pipe; ${open}; echo before >&3; echo written; ${read}`, mounts),
        shell("reader", `${open}; while :; do sleep 0.1; done`, mounts),
      ],
    };
    await restores.source("/root/fifo", spec, async () => {
      await restores.logged("source", "writer", /^written$/m);
      await restores.logged("source", "reader", /^opened$/m);
    });
    const state = node.restore("copy", spec, "/root/fifo");
    expect(outcome(state).phases).toEqual({ writer: "Restored", reader: "Restored" });
    node.exec("copy", "reader", "sh", "-c", "echo after > /data/pipe; touch /data/read");
    await restores.logged("copy", "writer", /^read after$/m);
    expect(node.kubectl(["logs", "copy", "-c", "writer"])).toBe("read before\nread after\n");
  });

  test("keeps connections over loopback between containers", async () => {
    const spec = {
      containers: [
        shell("server", "nc -ll -p 9000 -e cat"),
        shell(
          "client",
          "sleep 1; { i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done; } | nc 127.0.0.1 9000",
        ),
      ],
    };
    await restores.source(
      "/root/loopback",
      spec,
      () => restores.logged("source", "client", /^5$/m),
      "loopback",
    );
    const state = node.restore("copy", spec, "/root/loopback");
    expect(outcome(state).phases).toEqual({ server: "Restored", client: "Restored" });
    const [, first] = await restores.logged("copy", "client", /^(\d+)$/m);
    expect(Number(first)).toBeGreaterThan(4);
    await restores.logged("copy", "client", new RegExp(`^${Number(first) + 10}$`, "m"));
    expect(restores.restarts("copy")).toBe("0 0");
  });

  test("binds sockets of the pod's address to the address of the new pod", async () => {
    pushProgram("memory");
    const spec = { containers: [memory("server", 0, { command: ["/bin/memory", "bind"] })] };
    await restores.source("/root/bound", spec, () => restores.logged("source", "server", /^tick 3$/m));
    const before = restores.status("source", ".podIP");
    expect(outcome(node.restore("copy", spec, "/root/bound")).phases).toEqual({ server: "Restored" });
    const after = restores.status("copy", ".podIP");
    expect(after).not.toBe(before);
    const ask = (network: string, address: string) =>
      node.exec("source", "server", "/bin/memory", "ask", network, address);
    // The process remembers the address that it bound. The kernel sends from the one that it has.
    expect(ask("tcp", `${after}:9000`)).toMatch(/^tcp /);
    expect(ask("udp", `${after}:9001`)).toMatch(/^udp /);
    // The pod that was checkpointed has its own.
    expect(ask("tcp", `${before}:9000`)).toMatch(/^tcp /);
    const [, first] = await restores.logged("copy", "server", /^tick (\d+)$/m);
    expect(Number(first)).toBeGreaterThan(1);
  });

  test("closes connections to other pods, and the process resumes", async () => {
    node.create("peer", { containers: [shell("server", "nc -ll -p 9000 -e cat")] });
    node.ready("peer");
    const peer = restores.status("peer", ".podIP");
    const client = `{ while :; do echo sent; sleep 0.2; done | nc ${peer} 9000; echo closed; } &
      i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done`;
    const spec = { containers: [shell("client", client)] };
    await restores.source("/root/close", spec, () => restores.logged("source", "client", /^sent$/m));
    node.restore("copy", spec, "/root/close");
    await restores.logged("copy", "client", /^closed$/m);
    const [, first] = await restores.logged("copy", "client", /^tick (\d+)$/m);
    await restores.logged("copy", "client", new RegExp(`^tick ${Number(first) + 5}$`, "m"));
    expect(Number(first)).toBeGreaterThan(1);
    expect(restores.restarts("copy")).toBe("0");
    // The connection of the pod that was checkpointed stays.
    expect(node.kubectl(["logs", "source"])).not.toMatch(/^closed$/m);
  });

  test("restores a process with a terminal", async () => {
    const spec = {
      containers: [
        shell("main", "tty; i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.3; done", {
          tty: true,
          stdin: true,
        }),
      ],
    };
    await restores.source("/root/tty", spec, () => restores.logged("source", "main", /^tick 5\r?$/m));
    node.restore("copy", spec, "/root/tty");
    const [, first] = await restores.logged("copy", "main", /^tick (\d+)\r?$/m);
    expect(Number(first)).toBeGreaterThan(4);
    await restores.logged("copy", "main", new RegExp(`^tick ${Number(first) + 3}\\r?$`, "m"));
  });

  describe("refuses", () => {
    beforeAll(async () => {
      await restores.source("/root/one", ONE, () => restores.counts.reach("source", "count", 2));
      restores.removePods();
    });

    test.each([
      ["another user", { runAsUser: 1000 }, /the user is 1000, at the checkpoint it was 0/],
      ["fewer capabilities", { capabilities: { drop: ["ALL"] } }, /does not permit CAP_\w+/],
      ["no new privileges", { allowPrivilegeEscalation: false }, /no_new_privs is true/],
      ["a seccomp profile", { seccompProfile: { type: "RuntimeDefault" } }, /the seccomp profile is/],
      ["a read-only root", { readOnlyRootFilesystem: true }, /a read-only root file system is true/],
    ])("a pod with %s, and starts it fresh with that", async (_, securityContext, message) => {
      const spec = { containers: [{ ...counting("count", 16), securityContext }] };
      const state = node.restore("copy", spec, "/root/one");
      expect(outcome(state)).toEqual(freshly("Incompatible"));
      expect(state.message).toMatch(message);
      expect((await restores.counts.reach("copy", "count", 1)).count).toBeLessThan(60);
      expect(restores.restarts("copy")).toBe("0");
    });

    test("a mount that the checkpoint has not", () => {
      const spec = {
        volumes: [{ name: "more", emptyDir: {} }],
        containers: [{ ...counting("count", 16), volumeMounts: [{ name: "more", mountPath: "/more" }] }],
      };
      const state = node.restore("copy", spec, "/root/one");
      expect(outcome(state)).toEqual(freshly("Incompatible"));
      expect(state.message).toBe("the checkpoint has no mount at /more");
    });

    test.each([
      [
        "a processor without a feature",
        '"cpuFeatures":["',
        '"cpuFeatures":["avx10_test","',
        "Incompatible",
        /lacks avx10_test/,
      ],
      ["another architecture", "amd64", "arm64", "Incompatible", /the architecture is amd64/],
    ])("%s", (_, from, to, reason, message) => {
      node.onNode("sh", "-c", "rm -rf /root/other; cp -a /root/one /root/other");
      node.onNode("lay", "edit", "/root/other", from, to);
      const state = node.restore("copy", ONE, "/root/other");
      expect(outcome(state)).toEqual(freshly(reason));
      expect(state.message).toMatch(message);
    });

    test("another cgroup version", () => {
      const version = /"cgroup":"(v[12])"/.exec(node.onNode("cat", "/root/one/checkpoint.json"))?.[1];
      const other = version === "v1" ? "v2" : "v1";
      node.onNode("sh", "-c", "rm -rf /root/other; cp -a /root/one /root/other");
      node.onNode("lay", "edit", "/root/other", `"cgroup":"${version}"`, `"cgroup":"${other}"`);
      const state = node.restore("copy", ONE, "/root/other");
      expect(outcome(state)).toEqual(freshly("Incompatible"));
      expect(state.message).toBe(`the node has cgroup ${version}, at the checkpoint it had ${other}`);
    });

    test("a file that changed after it was verified", () => {
      node.create("copy", ONE, true);
      // The wrapper waits meanwhile: the plan is changed before it has its final name.
      const uid = node.uid("copy");
      node.onNode("env", "LAY_DIRECTORY=/root/plans", "lay", "plan", "/root/one", uid, "{}");
      const change =
        "touch -r pages-1.img /tmp/times; printf x | dd of=pages-1.img bs=1 seek=9 conv=notrunc; touch -r /tmp/times pages-1.img";
      node.onNode(
        "sh",
        "-ec",
        `cd /root/plans/${uid}/checkpoint/containers/count/images; ${change}; mv /root/plans/${uid} /var/lib/cedana-cdk/restore/`,
      );
      node.ready("copy");
      return node.state("copy").then((state) => {
        expect(outcome(state)).toMatchObject({ decision: "fresh", reason: "PlanInvalid" });
        expect(state.message).toMatch(/pages-1.img: it has another checksum than checkpoint.json names/);
      });
    });

    test("a plan whose deadline is over, and fails the pod if the plan demands it", async () => {
      node.create("copy", { ...ONE, restartPolicy: "Never" }, true);
      node.plan("/root/one", "copy", { fallback: "fail", deadline: "2020-01-01T00:00:00Z" });
      const state = await node.state("copy", ({ decision }) => decision === "fail");
      expect(outcome(state)).toEqual({
        decision: "fail",
        reason: "DeadlineExceeded",
        phases: { count: "Failed" },
      });
      await eventually(() => expect(restores.status("copy", "")).toMatch(/DeadlineExceeded/));
    });
  });
});
