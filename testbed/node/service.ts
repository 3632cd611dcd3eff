import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { ran, ROOT, run, type Ran } from "./run";
import { eventually, KIND, NODE, openTestbed, REGISTRY, type Testbed } from "./testbed";
import { HANDLER } from "./wrapper";

const PROGRAM = "/usr/local/bin/cedana-node";
const SERVICE = "cedana-noded";
const CHECKPOINTS = "/var/lib/cedana-cdk/checkpoints";
const JOURNAL = "/var/lib/cedana-cdk/journal";
/** Stands in for a systemd unit on the node in namespaces, which runs it again when it ends. */
const UNIT = `#!/bin/sh
until [ -x ${PROGRAM} ]; do sleep 0.2; done
exec ${PROGRAM} ${SERVICE}
`;
/** Lists the frozen cgroups of the node's pods, of cgroup v1 and v2. Other nodes of this machine share its freezer. */
const FROZEN = `pod=$(pgrep -ox pause)
top=$([ -z "$pod" ] || sed -n 's|^[0-9]*:freezer:/\\([^/]*\\).*|\\1|p' "/proc/$pod/cgroup")
find "/sys/fs/cgroup/freezer/$top" -name freezer.state -exec grep -sLx THAWED {} + 2>/dev/null
find /sys/fs/cgroup -name cgroup.events -exec grep -slx 'frozen 1' {} +`;

/** Parameters of the method `checkpoint`. */
export interface CheckpointParams {
  readonly uid: string;
  readonly podUID: string;
  readonly containers?: readonly { readonly name: string; readonly image?: string }[];
  readonly tcp?: "close" | "loopback" | "refuse";
  readonly stop?: boolean;
  readonly freezeMilliseconds?: number;
}

/** Result of the method `checkpoint`, as far as tests read it. */
export interface CheckpointResult {
  readonly directory: string;
  readonly checkpoint: {
    readonly frozenNanoseconds: number;
    readonly createdAt: string;
    readonly node: Readonly<Record<string, unknown>>;
    readonly containers: readonly { readonly name: string; readonly files: readonly { path: string }[] }[];
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
  /** Returns a file of a checkpoint, of at most some MB. */
  file(uid: string, path: string): Buffer;
  /** Returns the numbers of 8 bytes before each place where a file of a checkpoint has a text. */
  numbersBefore(text: string, uid: string, path: string): readonly number[];
  uid(pod: string): string;
  /** Lists everything that a checkpoint may not leave on the node: frozen cgroups, processes of CRIU, files. */
  leftovers(): string;
  /** Waits until the service answers. */
  ready(): Promise<void>;
}

/** Programs of runtime/test that containers run. */
export type Workload = "pair" | "hold";

/**
 * Starts the node, installs the service, and builds the image of a workload. CEDANA_NODE_CONTAINERD and CEDANA_NODE_RUNC name
 * versions of the test bed.
 */
export async function openServiceNode(workload: Workload = "pair"): Promise<ServiceNode> {
  const folder = mkdtempSync(join(tmpdir(), "service-"));
  const unit = join(folder, SERVICE);
  writeFileSync(unit, UNIT, { mode: 0o755 });
  const versions = ["containerd", "runc"].flatMap((name) => {
    const version = process.env[`CEDANA_NODE_${name.toUpperCase()}`];
    return version === undefined ? [] : [`--${name}`, version];
  });
  const handler = join(folder, "handler.toml");
  writeFileSync(handler, HANDLER);
  const service = KIND === "namespaces" ? ["--node-service", unit, "--containerd-config", handler] : [];
  const testbed = openTestbed(...versions, ...service);
  testbed.addNode();
  const onNode = (input: Buffer | undefined, ...command: string[]) => {
    const kit = join(process.env["CEDANA_TESTBED"]!, NODE.commands, "on-node");
    return ran(kit, ["--dir", testbed.folder, ...command], input === undefined ? {} : { input });
  };
  const install = (source: string, path: string) => {
    const built = join(folder, "built");
    const environment = { ...process.env, CGO_ENABLED: "0" };
    run("go", ["build", "-trimpath", "-o", built, source], { cwd: join(ROOT, "runtime"), env: environment });
    const replace = `cat > ${path}.new && chmod 755 ${path}.new && mv ${path}.new ${path}`;
    const { status, stderr } = onNode(readFileSync(built), "sh", "-c", replace);
    if (status !== 0) throw new Error(stderr);
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
      `exec ${PROGRAM} ${SERVICE} call ${method} "$(cat)"`,
    );
  pushWorkload(folder, workload);
  install("./cmd/cedana-node", PROGRAM);
  // The wrapper is a copy, and restores by the installed version.
  script(`mkdir -p /opt/cedana-cdk/current/bin
cp ${PROGRAM} /usr/local/bin/cedana-runc
cp ${PROGRAM} /opt/cedana-cdk/current/bin/cedana-node`);
  testbed.kubectl(["apply", "-f", "-"], {
    apiVersion: "node.k8s.io/v1",
    kind: "RuntimeClass",
    metadata: { name: "cedana" },
    handler: "cedana",
  });
  if (KIND === "vm")
    script(
      `systemd-run --unit=${SERVICE} -p Restart=always -p RestartSec=1 -p KillMode=process ${PROGRAM} ${SERVICE}`,
    );
  const node: ServiceNode = {
    ...testbed,
    call,
    script,
    begin(params, milliseconds, then) {
      const output = `/tmp/call-${params.uid}`;
      script(`rm -f ${output}
cat > ${output}.json <<'END'
${JSON.stringify(params)}
END
(${PROGRAM} ${SERVICE} call checkpoint "$(cat ${output}.json)" > ${output} 2>&1
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
    uid: (pod) => testbed.kubectl(["get", "pod", pod, "-o", "jsonpath={.metadata.uid}"]),
    leftovers: () =>
      script(`${FROZEN}
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
    close() {
      testbed.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await node.ready();
  } catch (error) {
    node.close();
    throw error;
  }
  return node;
}

/** Builds the image `NAME:1`: busybox and a program of runtime/test. */
function pushWorkload(folder: string, name: Workload) {
  const files = join(folder, "image/bin");
  mkdirSync(files, { recursive: true });
  const env = { ...process.env, CGO_ENABLED: "0" };
  run("go", ["build", "-trimpath", "-o", join(files, name), `./test/${name}`], {
    cwd: join(ROOT, "runtime"),
    env,
  });
  const layer = join(folder, "layer.tar");
  run("tar", ["--owner=0", "--group=0", "-C", join(folder, "image"), "-cf", layer, `bin/${name}`]);
  const crane = join(process.env["TESTBED_CACHE"] ?? join(homedir(), ".cache/cedana-testbed"), "bin/crane");
  const [base, tag] = [`${REGISTRY}/busybox:1`, `${REGISTRY}/${name}:1`];
  run(crane, ["append", "--insecure", "--base", base, "--new_layer", layer, "--new_tag", tag]);
}

/** Options of a pod of the workload. */
export interface PairOptions {
  /** Memory of each container in MB. */
  readonly megabytes?: number;
  /** Kind of the connection that `ping` keeps over loopback. */
  readonly tcp?: "tcp" | "mptcp";
  readonly restartPolicy?: "Always" | "Never";
}

/** Returns a pod of two containers that exchange numbers over FIFOs in a shared emptyDir. */
export function pair(name: string, { megabytes = 8, tcp, restartPolicy = "Always" }: PairOptions = {}) {
  const container = (role: string, env: readonly object[]) => ({
    name: role,
    image: "localhost:5000/pair:1",
    command: ["/bin/pair", role],
    env: [{ name: "MB", value: String(megabytes) }, ...env],
    volumeMounts: [{ name: "shared", mountPath: "/shared" }],
  });
  const connection = tcp === undefined ? [] : [{ name: "TCP", value: tcp }];
  return {
    metadata: { name },
    spec: {
      restartPolicy,
      volumes: [{ name: "shared", emptyDir: {} }],
      containers: [container("ping", connection), container("pong", [])],
    },
  };
}
