import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { openImages } from "./images";
import { ROOT, run } from "./run";
import { eventually, KIND, NODE, openTestbed, REGISTRY, type Testbed } from "./testbed";

/**
 * A cluster with the engine `kubelet`, installed as by a user: images built here, `cedana-cdk synth`, `kubectl apply -k`. The
 * node's taint is removed.
 */
export interface Engine extends Testbed {
  /** Names of the checkpoint archives on the node's disk. */
  archives(): readonly string[];
  /** Deletes the agent's pod, and waits for its replacement. */
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
/** Files of docs/try-it.md. */
const FILES = join(ROOT, "docs/try-it");

/**
 * Removes the test bed's CRIU, so that only the helper's is used. If root of this machine cannot read the limits of other
 * processes, the test bed preloads a workaround, which the helper's CRIU needs as well.
 */
const REMOVE_CRIU =
  "rm -f /usr/local/sbin/criu; [ ! -e /usr/local/lib/norlimit.so ] || echo /usr/local/lib/norlimit.so > /etc/ld.so.preload";

/** Installs the engine on a test bed. @param changes changes of `engine` in cedana.yaml */
export async function openEngine(changes: object = {}): Promise<Engine> {
  // There is no kube-proxy: the API server itself must resolve Services to endpoints.
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
  const platform = parse(readFileSync(join(FILES, "cedana.yaml"), "utf8")) as {
    engine: object;
    install: object;
  };
  // A node in namespaces has the cgroup version of this machine.
  const engine = {
    ...platform.engine,
    ...(KIND === "namespaces" ? { allowCgroupV1: true } : {}),
    ...changes,
  };
  const install = {
    ...platform.install,
    healthCheck: { periodSeconds: 5 * NODE.slowness },
    readinessGate: { explainAfterSeconds: 5 },
  };
  writeFileSync(join(folder, "cedana.yaml"), stringify({ ...platform, engine, install }));
  run(process.execPath, [join(ROOT, "dist/bin/cedana-cdk.js"), "synth"], { cwd: folder });
  testbed.kubectl(["apply", "--server-side", "-k", join(folder, "out/kubernetes")]);
  const controller = ["-n", NAMESPACE, "deployment", "-l", "app.kubernetes.io/component=controller"];
  testbed.kubectl(["wait", "--for=condition=Available", "--timeout=180s", ...controller]);
  testbed.addNode();
  testbed.onNode("sh", "-c", REMOVE_CRIU);
  testbed.kubectl(["label", "--overwrite", "node", NODE.name, "cedana.ai/enabled=true"]);
  await eventually(() => {
    const { spec } = JSON.parse(testbed.kubectl(["get", "node", NODE.name, "-o", "json"])) as {
      spec: { taints?: readonly { key: string }[] };
    };
    if (spec.taints?.some(({ key }) => key === "cedana.ai/not-ready"))
      throw new Error(
        `the node is not ready:\n${testbed.kubectl(["describe", "node", NODE.name])}${testbed.kubectl(["-n", NAMESPACE, "get", "pods", "-o", "wide"])}`,
      );
  }, 180);
  const get = (name: string) =>
    JSON.parse(
      testbed.kubectl(["get", "checkpoints.automation.cedana.ai", name, "-o", "json"]),
    ) as CheckpointObject;
  return {
    ...testbed,
    archives: () => testbed.onNode("ls", "/var/lib/kubelet/checkpoints").split("\n").filter(Boolean),
    async restartAgent() {
      const namespaced = ["-n", NAMESPACE];
      testbed.kubectl([...namespaced, "delete", "pod", "-l", HELPER, "--grace-period=5"]);
      testbed.kubectl([
        ...namespaced,
        "rollout",
        "status",
        "daemonset",
        "-l",
        HELPER,
        `--timeout=${120 * NODE.slowness}s`,
      ]);
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
