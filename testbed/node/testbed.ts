import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { needs, run } from "./run";

/** A cluster with one real node: kubelet, containerd, runc, CRIU and a registry. */
export interface Testbed {
  /** Directory of the test bed. */
  readonly folder: string;
  /** Runs kubectl with `input` as JSON on stdin. */
  kubectl(list: readonly string[], input?: unknown): string;
  /** Starts the virtual machine, if it is the node under test. The node in namespaces starts with the cluster. */
  addNode(): void;
  /** Runs a command on the node. */
  onNode(...command: string[]): string;
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
  /** Directory of the commands up, down and on-node, relative to the test bed's. */
  readonly commands: string;
  /** Factor of all timeouts and of the pause between two attempts: each command takes processor time from the node. */
  readonly slowness: number;
  /** Programs that the test bed needs for it. */
  readonly needs: readonly string[];
}

const NODE_KINDS = {
  namespaces: { name: "real-1", commands: ".", slowness: 1, needs: [] },
  vm: {
    name: "vm-1",
    commands: "vm",
    slowness: 6,
    needs: ["qemu-system-x86_64", "socat", "cpio", "mkfs.ext4", "ssh", "openssl"],
  },
} as const satisfies Readonly<Record<string, NodeKind>>;

/** Address of the registry for this machine; TESTBED_NET is a setting of the test bed. On a node it is localhost:5000. */
export const REGISTRY = `${process.env["TESTBED_NET"] ?? "10.77.0"}.2:5000`;

/** Kind of node of this run, from CEDANA_NODE. */
export const KIND = (process.env["CEDANA_NODE"] ?? "namespaces") as keyof typeof NODE_KINDS;
if (!(KIND in NODE_KINDS))
  throw new Error(
    `CEDANA_NODE must be one of ${Object.keys(NODE_KINDS).join(", ")}, not ${process.env["CEDANA_NODE"]}`,
  );
export const NODE: NodeKind = NODE_KINDS[KIND];

export interface Pod {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: object;
}

/**
 * Starts a test bed by the commands in the directory CEDANA_TESTBED, with additional flags of `up`. Or uses the running one in
 * CEDANA_TESTBED_DIR, and does not stop it.
 */
export function openTestbed(...flags: string[]): Testbed {
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
  if (running === undefined)
    run(join(kit, "up"), ["--dir", folder, "--port", "37443", "--node", ...flags], { env });
  const program = join(cache, "bin", process.env["TESTBED_K8S"] ?? "1.34.4", "kubectl");
  if (!existsSync(program)) throw new Error(`${program} is missing: run the test bed's build`);

  const kubectl = (list: readonly string[], input?: unknown) =>
    run(program, list, { env, ...(input === undefined ? {} : { input: JSON.stringify(input) }) });
  return {
    folder,
    kubectl,
    addNode() {
      if (KIND === "vm") run(join(kit, "vm/up"), ["--dir", folder], { env });
    },
    onNode: (...command) => run(join(kit, NODE.commands, "on-node"), ["--dir", folder, ...command], { env }),
    runPod({ metadata, spec }) {
      const tolerations = [{ key: "cedana.ai/not-ready", operator: "Exists" }];
      const nodeSelector = { "kubernetes.io/hostname": NODE.name };
      const placed = { tolerations, nodeSelector, terminationGracePeriodSeconds: 1, ...spec };
      kubectl(["apply", "-f", "-"], { apiVersion: "v1", kind: "Pod", metadata, spec: placed });
      kubectl(["wait", "--for=condition=Ready", `pod/${metadata.name}`, `--timeout=${scaled(180)}s`]);
    },
    close() {
      if (running !== undefined) return;
      for (const commands of new Set([NODE.commands, "."]))
        run(join(kit, commands, "down"), ["--dir", folder], { env });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Returns a time for a node in namespaces, multiplied for the node under test. */
export const scaled = (time: number): number => time * NODE.slowness;

/** Retries a function until it does not throw. @throws its last error after `seconds`, times `slowness` */
export async function eventually<T>(attempt: () => T, seconds = 60): Promise<T> {
  const end = Date.now() + scaled(seconds) * 1000;
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(scaled(300));
    }
  }
}
