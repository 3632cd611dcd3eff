import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { ROOT } from "../../support/sources";
import { openImages } from "./images";
import { run } from "./run";
import { eventually, openTestbed, type Testbed } from "./testbed";

/**
 * A cluster with the engine `kubelet` installed as a user would: images built here, `cedana-cdk synth`, `kubectl apply -k`. The node is
 * ready: its taint is gone.
 */
export interface Engine extends Testbed {
  /** Archives of checkpoints that are on the node's disk. */
  archives(): readonly string[];
  /** Runs a command on the node. */
  onNode(...command: string[]): string;
  /** Deletes the pod of the agent, and waits for the next one. */
  restartAgent(): Promise<void>;
  /** Creates a Checkpoint of a pod. */
  take(name: string, pod: string, spec?: object): void;
  /** Waits until a Checkpoint has ended, and returns it. */
  ended(name: string): Promise<CheckpointObject>;
}

export interface CheckpointObject {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status: {
    readonly nodeName?: string;
    readonly durationMilliseconds?: number;
    readonly conditions: readonly { type: string; status: string; reason: string; message: string }[];
    readonly containers?: readonly {
      name: string;
      location?: string;
      checkpointID?: string;
      sizeBytes?: number;
      frozenMilliseconds?: number;
      baseImage?: string;
      architecture?: string;
    }[];
  };
}

const NAMESPACE = "cedana-system";
const HELPER = "app.kubernetes.io/component=helper";
/** The registry as this machine reaches it; on the node, and for its container runtime, it is localhost:5000. */
export const REGISTRY = "10.77.0.2:5000";

/** The files of docs/try-it.md, which are thereby tried. */
const FILES = join(ROOT, "docs/try-it");

/**
 * The test bed has a CRIU of its own, and nothing but the helper's is to be used. Where root of this machine may not read the limits
 * of others' processes, the test bed preloads what works around it; the helper's CRIU needs it there as well.
 */
const MAKE_PLACE =
  "rm -f /usr/local/sbin/criu; [ ! -e /usr/local/lib/norlimit.so ] || echo /usr/local/lib/norlimit.so > /etc/ld.so.preload";

function onNode({ folder }: Testbed, ...command: string[]): string {
  return run(join(process.env["CEDANA_TESTBED"] ?? "", "on-node"), ["--dir", folder, ...command]);
}

/** @param changes of the engine in cedana.yaml */
export async function openEngine(changes: object = {}): Promise<Engine> {
  // Without kube-proxy a Service leads nowhere, unless the API server itself looks up what is behind it.
  const testbed = openTestbed("--apiserver-flag", "--enable-aggregator-routing=true");
  const images = openImages();
  try {
    for (const name of ["node-agent", "controller"] as const)
      images.push(name, `${REGISTRY}/cedana-${name}:try`);
  } finally {
    images.close();
  }
  const folder = join(testbed.folder, "install");
  mkdirSync(folder, { recursive: true });
  onNode(testbed, "sh", "-c", MAKE_PLACE);
  const platform = parse(readFileSync(join(FILES, "cedana.yaml"), "utf8")) as {
    engine: object;
    install: object;
  };
  // The machine of a test may have either version.
  const engine = { ...platform.engine, allowCgroupV1: true, ...changes };
  const install = {
    ...platform.install,
    healthCheck: { periodSeconds: 5 },
    readinessGate: { explainAfterSeconds: 5 },
  };
  writeFileSync(join(folder, "cedana.yaml"), stringify({ ...platform, engine, install }));
  run(process.execPath, [join(ROOT, "dist/bin/cedana-cdk.js"), "synth"], { cwd: folder });
  testbed.kubectl(["apply", "--server-side", "-k", join(folder, "out/kubernetes")]);
  await eventually(() => {
    const { spec } = JSON.parse(testbed.kubectl(["get", "node", "real-1", "-o", "json"])) as {
      spec: { taints?: readonly { key: string }[] };
    };
    if (spec.taints?.some(({ key }) => key === "cedana.ai/not-ready"))
      throw new Error(
        `the node is not ready:\n${testbed.kubectl(["describe", "node", "real-1"])}${testbed.kubectl(["-n", NAMESPACE, "get", "pods", "-o", "wide"])}`,
      );
  }, 180);
  const get = (name: string) =>
    JSON.parse(
      testbed.kubectl(["get", "checkpoints.automation.cedana.ai", name, "-o", "json"]),
    ) as CheckpointObject;
  return {
    ...testbed,
    archives: () => readdirSync(join(testbed.folder, "node/kubelet/checkpoints")),
    onNode: (...command) => onNode(testbed, ...command),
    async restartAgent() {
      const namespaced = ["-n", NAMESPACE];
      testbed.kubectl([...namespaced, "delete", "pod", "-l", HELPER, "--grace-period=5"]);
      testbed.kubectl([...namespaced, "rollout", "status", "daemonset", "-l", HELPER, "--timeout=120s"]);
    },
    take(name, pod, spec = {}) {
      testbed.kubectl(["create", "-f", "-"], {
        apiVersion: "automation.cedana.ai/v1alpha1",
        kind: "Checkpoint",
        metadata: { name, namespace: "default" },
        spec: { podRef: { name: pod }, ...spec },
      });
    },
    ended: (name) =>
      eventually(() => {
        const object = get(name);
        const over = object.status?.conditions?.some(
          ({ type, status }) => ["Ready", "Failed"].includes(type) && status === "True",
        );
        if (!over)
          throw new Error(`checkpoint ${name} has not ended: ${JSON.stringify(object.status, undefined, 1)}`);
        return object;
      }, 180),
  };
}
