import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NODE_SERVICE_SOCKET } from "../../clients/node-service";
import { CRIU_HANDLER } from "../../config/engines/criu";
import { NODE_PROGRAM, WRAPPER } from "../../config/nodes";
import { bootService, handlerOf, UNIT } from "./boot";
import { pushProgram } from "./program";
import { ran, ROOT, run, type Ran } from "./run";
import { COMMAND_LIMIT, eventually, installOn, NODE, type Testbed } from "./testbed";

const SERVICE = "cedana-noded";
const CHECKPOINTS = "/var/lib/cedana-cdk/checkpoints";
const JOURNAL = "/var/lib/cedana-cdk/journal";
/** Installs the program on stdin as the helper does: the program appears in one rename, and the wrapper is a copy. */
const INSTALL = `mkdir -p /opt/cedana-cdk/versions/test/bin
cd /opt/cedana-cdk/versions/test/bin
cat > new
chmod 755 new
cp new ${WRAPPER}.new
mv ${WRAPPER}.new ${WRAPPER}
mv new cedana-node
ln -sfn versions/test /opt/cedana-cdk/current
# The service of an earlier suite.
pkill -TERM -f '^${NODE_PROGRAM} ${SERVICE}$' || true`;
/** Lists the frozen cgroups below a cgroup, of cgroup v1 and v2. */
const frozenBelow = (cgroup: string) =>
  `find "/sys/fs/cgroup/freezer${cgroup}" -name freezer.state -exec grep -sLx THAWED {} + 2>/dev/null
for each in "/sys/fs/cgroup${cgroup}" "/sys/fs/cgroup/unified${cgroup}"; do
  find "$each" -name cgroup.events -exec grep -slx 'frozen 1' {} + 2>/dev/null
done`;

/** Parameters of the method `checkpoint`. */
export interface CheckpointParams {
  readonly uid: string;
  readonly podUID: string;
  readonly containers?: readonly { readonly name: string; readonly image?: string }[];
  readonly tcp?: "close" | "loopback" | "refuse";
  readonly preDump?: "auto" | "off";
  readonly stop?: boolean;
  readonly freezeMilliseconds?: number;
}

/** Result of the method `checkpoint`, as far as tests read it. */
export interface CheckpointResult {
  readonly directory: string;
  readonly checkpoint: {
    readonly frozenNanoseconds: number;
    readonly preDump?: {
      readonly passes: number;
      readonly frozenNanoseconds?: number;
      readonly reason?: string;
      readonly message?: string;
    };
    readonly createdAt: string;
    readonly node: Readonly<Record<string, unknown>>;
    readonly containers: readonly {
      readonly name: string;
      readonly files: readonly { readonly path: string; readonly size: number }[];
    }[];
    readonly volumes: readonly { readonly name: string }[];
  };
  readonly timings: Readonly<Record<string, number>>;
}

/** A node with the host service. */
export interface ServiceNode extends Testbed {
  /** Sends a request to the service. Returns its output; an error of the service is in `stderr`. */
  call(method: string, params?: object): Ran;
  /**
   * Begins a checkpoint and runs a script on the node some milliseconds after the freeze began. Returns a function that waits
   * for the exit code and the output of the request.
   */
  begin(
    params: CheckpointParams,
    milliseconds: number,
    then: string,
  ): () => Promise<{ readonly status: number; readonly text: string }>;
  /** Takes a checkpoint. @throws Error if the service reports one */
  checkpoint(params: CheckpointParams): CheckpointResult;
  /** Runs a shell script on the node. */
  script(text: string): string;
  /** Cgroup below which all pods of the node are, as `/node`; empty for the root. Other nodes of this machine have others. */
  readonly cgroup: string;
  /** Returns the path of the service's socket for this machine. Only for the node in namespaces. */
  socket(): string;
  /** Returns a file of a checkpoint, of at most some MB. */
  file(uid: string, path: string): Buffer;
  /** Returns the numbers of 8 bytes before each place where a file of a checkpoint has a text. */
  numbersBefore(text: string, uid: string, path: string): readonly number[];
  uid(pod: string): string;
  /** Deletes all pods of the namespace `default`, and waits until they are gone. */
  removePods(): void;
  /** Lists everything that a checkpoint may not leave on the node: frozen cgroups, processes of CRIU, files. */
  leftovers(): string;
  /** Waits until the service answers. */
  ready(): Promise<void>;
}

/** Programs of runtime/test that containers run. */
export type Workload = "pair" | "hold" | "dirty" | "memory";

/** Starts the node, installs the service, and builds the image of a workload. */
export function openServiceNode(workload: Workload = "pair"): Promise<ServiceNode> {
  return installOn({ containerd: handlerOf, service: UNIT }, (testbed) => install(testbed, workload));
}

async function install(testbed: Testbed, workload: Workload): Promise<ServiceNode> {
  testbed.addNode();
  bootService(testbed);
  const onNode = (input: Buffer | undefined, ...command: string[]) => {
    const kit = join(process.env["CEDANA_TESTBED"]!, NODE.commands, "on-node");
    const options = { timeout: COMMAND_LIMIT, ...(input === undefined ? {} : { input }) };
    return ran(kit, ["--dir", testbed.folder, ...command], options);
  };
  const script = (text: string) => {
    const { status, stdout, stderr } = onNode(Buffer.from(text), "sh", "-s");
    if (status !== 0) throw new Error(`script on the node ended with ${status}: ${stderr}`);
    return stdout;
  };
  const call = (method: string, params: object = {}) =>
    onNode(
      Buffer.from(JSON.stringify(params)),
      "sh",
      "-c",
      `exec ${NODE_PROGRAM} ${SERVICE} call ${method} "$(cat)"`,
    );
  const folder = mkdtempSync(join(tmpdir(), "service-"));
  const built = join(folder, "built");
  run("go", ["build", "-trimpath", "-o", built, "./cmd/cedana-node"], {
    cwd: join(ROOT, "runtime"),
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  testbed.feed(readFileSync(built), "sh", "-ec", INSTALL);
  rmSync(folder, { recursive: true, force: true });
  pushProgram(workload);
  testbed.kubectl(["apply", "-f", "-"], {
    apiVersion: "node.k8s.io/v1",
    kind: "RuntimeClass",
    metadata: { name: "cedana" },
    handler: CRIU_HANDLER.name,
  });
  const cgroup = cgroupOfPods(testbed);
  const node: ServiceNode = {
    ...testbed,
    call,
    script,
    cgroup,
    socket() {
      const [pid] = readFileSync(join(testbed.folder, "run/node.pid"), "utf8").split(" ");
      return join(`/proc/${run("pgrep", ["--parent", pid!]).trim()}/root`, NODE_SERVICE_SOCKET);
    },
    begin(params, milliseconds, then) {
      const output = `/tmp/call-${params.uid}`;
      script(`rm -f ${output}
cat > ${output}.json <<'END'
${JSON.stringify(params)}
END
(${NODE_PROGRAM} ${SERVICE} call checkpoint "$(cat ${output}.json)" > ${output} 2>&1
echo "status $?" >> ${output}) < /dev/null > /dev/null 2>&1 &
until [ -n "$(ls ${JOURNAL})" ] || grep -qs ^status ${output}; do sleep 0.005; done
sleep ${(milliseconds / 1000).toFixed(3)}
${then}
true`);
      return () =>
        eventually(() => {
          const [, text, status] = /^([^]*)status (\d+)\n$/.exec(script(`cat ${output}`)) ?? [];
          if (text === undefined) throw new Error(`the request ${params.uid} has no response`);
          return { status: Number(status), text };
        });
    },
    checkpoint(params) {
      const { status, stdout, stderr } = call("checkpoint", params);
      if (status !== 0) throw new Error(`checkpoint ${params.uid} failed: ${stderr}`);
      return JSON.parse(stdout) as CheckpointResult;
    },
    file: (uid, path) => Buffer.from(script(`base64 ${CHECKPOINTS}/${uid}/${path}`), "base64"),
    numbersBefore: (text, uid, path) =>
      script(`cd ${CHECKPOINTS}/${uid}
LC_ALL=C grep -abo '${text}' ${path} | while IFS=: read -r at _; do od -An -tu8 -j $((at - 8)) -N 8 ${path}; done`)
        .split("\n")
        .filter(Boolean)
        .map(Number),
    removePods: () => testbed.kubectl(["delete", "pods", "--all", "--grace-period=1", "--wait=true"]),
    uid: (pod) => testbed.kubectl(["get", "pod", pod, "-o", "jsonpath={.metadata.uid}"]),
    leftovers: () =>
      script(`${frozenBelow(cgroup)}
pgrep -x criu
pgrep -f '${SERVICE} watchdog'
ls -A ${JOURNAL}
find ${CHECKPOINTS} -maxdepth 1 -name '.*' ! -path ${CHECKPOINTS}
grep -sL '^TracerPid:.0$' /proc/[0-9]*/status
true`).trim(),
    ready: () =>
      eventually(() => {
        const { status, stderr } = call("state");
        if (status !== 0) throw new Error(`the service does not answer: ${stderr}`);
      }),
  };
  await node.ready();
  return node;
}

function cgroupOfPods(testbed: Testbed): string {
  const { kubeletconfig } = JSON.parse(
    testbed.kubectl(["get", "--raw", `/api/v1/nodes/${NODE.name}/proxy/configz`]),
  ) as { kubeletconfig: { cgroupRoot?: string } };
  return (kubeletconfig.cgroupRoot ?? "").replace(/\/$/, "");
}

/** Options of a pod of the workload. */
export interface PairOptions {
  /** Memory of each container in MB. */
  readonly megabytes?: number;
  /**
   * Connections over loopback. tcp, mptcp: `ping` keeps one with itself. exchange: both containers also send each number over
   * one, and end if it differs from the FIFO's.
   */
  readonly tcp?: "tcp" | "mptcp" | "exchange";
  readonly restartPolicy?: "Always" | "Never";
  /** Time before each number, in milliseconds: the pod then takes little processor time, and prints each 20th number. */
  readonly pause?: number;
}

/** Returns a pod of two containers that exchange numbers over FIFOs in a shared emptyDir. */
export function pair(
  name: string,
  { megabytes = 8, tcp, restartPolicy = "Always", pause = 0 }: PairOptions = {},
) {
  const container = (role: string, env: readonly object[]) => ({
    name: role,
    image: "localhost:5000/pair:1",
    command: ["/bin/pair", role],
    env: [{ name: "MB", value: String(megabytes) }, { name: "PAUSE", value: String(pause) }, ...env],
    volumeMounts: [{ name: "shared", mountPath: "/shared" }],
  });
  const connection = tcp === undefined ? [] : [{ name: "TCP", value: tcp }];
  return {
    metadata: { name },
    spec: {
      restartPolicy,
      volumes: [{ name: "shared", emptyDir: {} }],
      containers: [container("ping", connection), container("pong", tcp === "exchange" ? connection : [])],
    },
  };
}
