import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { needs, ran, ROOT, run } from "./run";

/** A cluster with one real node: kubelet, containerd, runc, CRIU and a registry. */
export interface Testbed {
  /** Directory of the test bed. */
  readonly folder: string;
  /** Runs kubectl with `input` as JSON on stdin. */
  kubectl(list: readonly string[], input?: unknown): string;
  /** Starts the virtual machine, if it is the node under test. The node in namespaces starts with the cluster. */
  addNode(): void;
  /** Starts a second node in namespaces, in the cluster of the first one. */
  addSecondNode(): void;
  /** Ends the second node at once, as a machine that fails. */
  endSecondNode(): void;
  /** Runs a command on the node. */
  onNode(...command: string[]): string;
  /** Runs a command on a kind of node. The cluster of a virtual machine also has the node in namespaces. */
  onKind(kind: Kind, ...command: string[]): string;
  /** Runs a command on the node with `input` on stdin. */
  feed(input: string | Buffer, ...command: string[]): string;
  /** Creates a pod on the real node and waits until it is Ready. */
  runPod(pod: Pod): void;
  close(): void;
}

/**
 * Kind of the node under test: in namespaces of this machine, or in a virtual machine. The virtual machine joins a cluster in
 * which the node in namespaces runs only the controller, because the processors of the machine may be emulated.
 */
interface NodeKind {
  readonly name: string;
  /** Directory of the commands up, down and on-node: absolute, or relative to the test bed's. */
  readonly commands: string;
  /** Factor of all timeouts and of the pause between two attempts: each command takes processor time from the node. */
  readonly slowness: number;
  /** Programs that the test bed needs for it. */
  readonly needs: readonly string[];
}

export const NODE_KINDS = {
  namespaces: { name: "real-1", commands: ".", slowness: 1, needs: [] },
  vm: {
    name: "vm-1",
    commands: "vm",
    slowness: 6,
    needs: ["qemu-system-x86_64", "socat", "cpio", "mkfs.ext4", "ssh", "openssl"],
  },
  second: { name: "real-2", commands: join(ROOT, "testbed/node/second"), slowness: 1, needs: ["socat"] },
} as const satisfies Readonly<Record<string, NodeKind>>;

/** Address of the registry for this machine; TESTBED_NET is a setting of the test bed. On a node it is localhost:5000. */
export const REGISTRY = `${process.env["TESTBED_NET"] ?? "10.77.0"}.2:5000`;

export type Kind = keyof typeof NODE_KINDS;

/** Kinds of node that a run can be about. The second node is only beside the one in namespaces. */
const UNDER_TEST = ["namespaces", "vm"] as const;

/** Kind of node of this run, from CEDANA_NODE. */
export const KIND = (process.env["CEDANA_NODE"] ?? "namespaces") as (typeof UNDER_TEST)[number];
if (!UNDER_TEST.includes(KIND))
  throw new Error(`CEDANA_NODE must be one of ${UNDER_TEST.join(", ")}, not ${process.env["CEDANA_NODE"]}`);
export const NODE: NodeKind = NODE_KINDS[KIND];

export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: object;
}

/** What a test bed has besides a cluster and a node. */
export interface TestbedOptions {
  /** Additional flags of `up`. */
  readonly flags?: readonly string[];
  /** Returns the configuration of containerd on a kind of node: text of a file. */
  readonly containerd?: (kind: Kind) => string;
  /** Script that the node in namespaces runs from its start, and again when it ends. The virtual machine has systemd. */
  readonly service?: string;
}

/** Flags of the versions of containerd and runc that a node has instead of Debian's. The test bed must have built them. */
const versions = (prefix: string) =>
  ["containerd", "runc"].flatMap((name) => {
    const version = process.env[`${prefix}_${name.toUpperCase()}`];
    return version === undefined ? [] : [`--${name}`, version];
  });

/**
 * Starts a test bed by the commands in the directory CEDANA_TESTBED. Or uses the running one in CEDANA_TESTBED_DIR, which must
 * have been started with the same options, and does not stop it.
 */
function openTestbed({ flags = [], containerd, service }: TestbedOptions = {}): Testbed {
  needs("nsenter", ...NODE.needs);
  const kit = process.env["CEDANA_TESTBED"];
  if (kit === undefined)
    throw new Error("the node tier needs a test bed: set CEDANA_TESTBED to its directory");
  const cache = process.env["TESTBED_CACHE"] ?? join(homedir(), ".cache/cedana-testbed");
  const running = process.env["CEDANA_TESTBED_DIR"];
  const folder = running ?? mkdtempSync(join(tmpdir(), "testbed-"));
  const env = {
    ...process.env,
    KUBECONFIG: join(folder, "kubeconfig"),
    TESTBED_CACHE: cache,
    // Agents run on a node once it is labelled.
    TESTBED_LABELS: "cedana.ai/enabled=false",
  };
  const boot = mkdtempSync(join(tmpdir(), "boot-"));
  const file = (flag: string, name: string, text: string | undefined) => {
    if (text === undefined) return [];
    writeFileSync(join(boot, name), text, { mode: 0o755 });
    return [flag, join(boot, name)];
  };
  const ofNode = (kind: Kind) => [
    ...versions(kind === "second" ? "CEDANA_NODE_SECOND" : "CEDANA_NODE"),
    ...file("--containerd-config", `${kind}.toml`, containerd?.(kind)),
  ];
  const ofNamespaces = (kind: "namespaces" | "second") => [
    ...ofNode(kind),
    ...file("--node-service", "service", service),
  ];
  try {
    if (running === undefined) {
      removeLeftNetworks();
      const list = ["--dir", folder, "--port", "37443", "--node", ...flags, ...ofNamespaces("namespaces")];
      run(join(kit, "up"), list, { env });
    }
  } catch (error) {
    rmSync(boot, { recursive: true, force: true });
    throw error;
  }
  const program = join(cache, "bin", process.env["TESTBED_K8S"] ?? "1.34.4", "kubectl");
  if (!existsSync(program)) throw new Error(`${program} is missing: run the test bed's build`);

  const limited = { env, timeout: COMMAND_LIMIT };
  const onKind = (kind: Kind, options: object, ...command: string[]) =>
    run(resolve(kit, NODE_KINDS[kind].commands, "on-node"), ["--dir", folder, ...command], {
      ...limited,
      ...options,
    });
  const kubectl = (list: readonly string[], input?: unknown) =>
    run(program, list, { ...limited, ...(input === undefined ? {} : { input: JSON.stringify(input) }) });
  /** Commands of the nodes that end before the one under test. */
  const started = new Set<string>();
  return {
    folder,
    kubectl,
    addNode() {
      if (KIND !== "vm") return;
      removeLeftLink();
      run(join(kit, "vm/up"), ["--dir", folder, ...ofNode("vm")], { env });
    },
    addSecondNode() {
      needs(...NODE_KINDS.second.needs);
      started.add(NODE_KINDS.second.commands);
      run(join(NODE_KINDS.second.commands, "up"), ["--dir", folder, ...ofNamespaces("second")], { env });
    },
    endSecondNode: () => void run(join(NODE_KINDS.second.commands, "down"), ["--dir", folder], { env }),
    onNode: (...command) => onKind(KIND, {}, ...command),
    onKind: (kind, ...command) => onKind(kind, {}, ...command),
    feed: (input, ...command) => onKind(KIND, { input }, ...command),
    runPod({ metadata, spec }) {
      const tolerations = [{ key: "cedana.ai/not-ready", operator: "Exists" }];
      const nodeSelector = { "kubernetes.io/hostname": NODE.name };
      const placed = { tolerations, nodeSelector, terminationGracePeriodSeconds: 1, ...spec };
      kubectl(["apply", "-f", "-"], { apiVersion: "v1", kind: "Pod", metadata, spec: placed });
      kubectl(["wait", "--for=condition=Ready", `pod/${metadata.name}`, `--timeout=${scaled(180)}s`]);
    },
    close() {
      rmSync(boot, { recursive: true, force: true });
      if (running !== undefined) return;
      for (const commands of new Set([...started, NODE.commands, "."]))
        run(resolve(kit, commands, "down"), ["--dir", folder], { env });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts a test bed and installs something on it. Stops it if that fails. */
export async function installOn<T>(
  options: TestbedOptions,
  install: (testbed: Testbed) => T | Promise<T>,
): Promise<T> {
  const testbed = openTestbed(options);
  try {
    return await install(testbed);
  } catch (error) {
    testbed.close();
    throw error;
  }
}

/** Network namespaces of the nodes in namespaces. A machine can have one of each. */
const NETWORKS = ["testbed", "testbed-b"];
/** Network interface of the virtual machine on this machine. */
const LINK = "testbed-vm";

/**
 * Removes the network namespaces of nodes whose processes ended without `down`, as when the machine ended them all. The test
 * bed would not start beside them.
 */
function removeLeftNetworks(): void {
  for (const network of NETWORKS) {
    const { status, stdout } = ran("ip", ["netns", "pids", network]);
    if (status === 0 && stdout.trim() === "") run("ip", ["netns", "delete", network]);
  }
}

/** Removes the network interface of a virtual machine that ended in the same way: no process holds its other end. */
function removeLeftLink(): void {
  const state = `/sys/class/net/${LINK}/operstate`;
  if (existsSync(state) && readFileSync(state, "utf8").trim() === "down") run("ip", ["link", "delete", LINK]);
}

/** Returns a time for a node in namespaces, multiplied for the node under test. */
export const scaled = (time: number): number => time * NODE.slowness;

/**
 * Limit of one command of kubectl or on a node, in milliseconds: longer than any of them waits by its own limits. A pod that is
 * never deleted, or a machine that does not answer, fails its test and does not stop the whole run.
 */
export const COMMAND_LIMIT = scaled(300_000);

/** Retries a function until it does not throw. @throws its last error after `seconds`, times `slowness` */
export async function eventually<T>(attempt: () => T | Promise<T>, seconds = 60): Promise<T> {
  const end = Date.now() + scaled(seconds) * 1000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(scaled(300));
    }
  }
}
