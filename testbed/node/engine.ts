import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { bootService, handlerOf, TRY_IT, UNIT } from "./boot";
import { openImages } from "./images";
import { ROOT, run } from "./run";
import {
  eventually,
  KIND,
  NODE,
  NODE_KINDS,
  installOn,
  REGISTRY,
  scaled,
  type Kind,
  type Testbed,
} from "./testbed";

/**
 * A cluster with an open engine, installed as by a user: a node that boots with handler and service, images built here,
 * `cedana-cdk synth`, `kubectl apply -k`. The node's taint is removed.
 */
export interface Engine extends Testbed {
  /** Names of the checkpoints on the node's disk, and of the requests that the agent has not ended. */
  archives(): readonly string[];
  /** Names of the directories with plans, and with what is staged for them. */
  plansOnNode(): readonly string[];
  /** Returns a node, by default the one under test. */
  node(name?: string): NodeObject;
  /** Installs the agents on a kind of node too, and waits until its taint is removed. */
  useNode(kind: Kind): Promise<void>;
  /** Deletes the agent's pod, and waits for its replacement. */
  restartAgent(): Promise<void>;
  /** Creates a Checkpoint of a pod. */
  take(name: string, pod: string, spec?: object): void;
  /** Waits until a Checkpoint has ended, and returns it. */
  ended(name: string): Promise<CheckpointObject>;
  /** Removes the agent from the node and waits until it is removed: docs/agent/criu.md. The controller stays. */
  removeAgent(): void;
  /** Deletes all objects of the install, and waits until they are gone. */
  deleteInstall(): void;
}

export interface NodeObject {
  readonly spec: { readonly taints?: readonly { readonly key: string }[] };
  readonly status: {
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly message: string;
    }[];
  };
}

export interface CheckpointObject {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status: {
    readonly nodeName?: string;
    readonly durationMilliseconds?: number;
    readonly frozenMilliseconds?: number;
    readonly sizeBytes?: number;
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

/**
 * Removes the test bed's CRIU, so that only the helper's is used. If root of this machine cannot read the limits of other
 * processes, the test bed preloads a workaround, which the helper's CRIU needs as well.
 */
const REMOVE_CRIU =
  "rm -f /usr/local/sbin/criu; [ ! -e /usr/local/lib/norlimit.so ] || echo /usr/local/lib/norlimit.so > /etc/ld.so.preload";

/** Where the service keeps checkpoints and plans, and the agent its requests. */
const DATA = "/var/lib/cedana-cdk";

/** Taint of a node whose agents are not ready. */
export const TAINT = "cedana.ai/not-ready";

/**
 * Installs the engine on a test bed.
 * @param changes changes of `engine` in cedana.yaml
 * @param flags additional flags of the test bed
 * @param more more of `install` in cedana.yaml
 */
export function openEngine(
  changes: object = {},
  flags: readonly string[] = [],
  more: object = {},
): Promise<Engine> {
  const options = {
    // There is no kube-proxy: the API server itself must resolve Services to endpoints.
    flags: ["--apiserver-flag", "--enable-aggregator-routing=true", ...flags],
    containerd: handlerOf,
    service: UNIT,
  };
  return installOn(options, (testbed) => install(testbed, changes, more));
}

async function install(testbed: Testbed, changes: object, more: object): Promise<Engine> {
  const images = openImages();
  try {
    for (const name of ["node-agent", "controller"] as const)
      images.push(name, `${REGISTRY}/cedana-${name}:try`);
  } finally {
    images.close();
  }
  const namespaced = ["-n", NAMESPACE];
  const folder = join(testbed.folder, "install");
  mkdirSync(folder, { recursive: true });
  const platform = parse(readFileSync(join(TRY_IT, "cedana.yaml"), "utf8")) as {
    engine: object;
    install: { checkpoints: object };
  };
  const engine = {
    ...platform.engine,
    agentResponseSeconds: scaled(60),
    // A node in namespaces has the cgroup version of this machine.
    ...(KIND === "namespaces" ? { allowCgroupV1: true } : {}),
    ...changes,
  };
  const settings = {
    ...platform.install,
    checkpoints: { ...platform.install.checkpoints, timeoutSeconds: scaled(600) },
    healthCheck: { periodSeconds: scaled(5) },
    readinessGate: { explainAfterSeconds: 5 },
    ...more,
  };
  writeFileSync(join(folder, "cedana.yaml"), stringify({ ...platform, engine, install: settings }));
  const cdk = (command: string) =>
    run(process.execPath, [join(ROOT, "dist/bin/cedana-cdk.js"), command], { cwd: folder });
  cdk("synth");
  testbed.kubectl(["apply", "--server-side", "-k", join(folder, "out/kubernetes")]);
  const controller = [...namespaced, "deployment", "-l", "app.kubernetes.io/component=controller"];
  testbed.kubectl(["wait", "--for=condition=Available", "--timeout=180s", ...controller]);
  testbed.addNode();
  bootService(testbed);
  const node = (name: string = NODE.name) =>
    JSON.parse(testbed.kubectl(["get", "node", name, "-o", "json"])) as NodeObject;
  const useNode = async (kind: Kind) => {
    const { name } = NODE_KINDS[kind];
    testbed.onKind(kind, "sh", "-c", REMOVE_CRIU);
    testbed.kubectl(["label", "--overwrite", "node", name, "cedana.ai/enabled=true"]);
    try {
      await eventually(() => {
        if (node(name).spec.taints?.some(({ key }) => key === TAINT))
          throw new Error(`node ${name} is not ready`);
      }, 180);
    } catch (error) {
      const pods = testbed.kubectl([...namespaced, "get", "pods", "-o", "wide"]);
      throw new Error(`${testbed.kubectl(["describe", "node", name])}${pods}`, { cause: error });
    }
  };
  await useNode(KIND);
  const get = (name: string) =>
    JSON.parse(
      testbed.kubectl(["get", "checkpoints.automation.cedana.ai", name, "-o", "json"]),
    ) as CheckpointObject;
  const names = (...directories: string[]) => {
    const list = 'cd "$0"; for each; do ls -A "$each" 2> /dev/null; done; true';
    return testbed
      .onNode("sh", "-c", list, DATA, ...directories)
      .split("\n")
      .filter(Boolean);
  };
  const rolledOut = (...daemonSet: string[]) =>
    testbed.kubectl([
      ...namespaced,
      "rollout",
      "status",
      "daemonset",
      ...daemonSet,
      `--timeout=${scaled(120)}s`,
    ]);
  return {
    ...testbed,
    archives: () => names("checkpoints", "agent"),
    plansOnNode: () => names("restore"),
    node,
    useNode,
    async restartAgent() {
      testbed.kubectl([...namespaced, "delete", "pod", "-l", HELPER, "--grace-period=5"]);
      rolledOut("-l", HELPER);
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
    removeAgent() {
      testbed.kubectl([...namespaced, "delete", "daemonset", "cedana-helper", "cedana-health-check"]);
      const removal = join(folder, "agent-removal.yaml");
      writeFileSync(removal, cdk("agent-removal"));
      testbed.kubectl(["apply", "--server-side", "-f", removal]);
      rolledOut("cedana-agent-removal");
      testbed.kubectl(["delete", "-f", removal]);
    },
    deleteInstall() {
      // As docs/kubernetes/install.md: a policy keeps the CRDs.
      const selector = ["-l", "app.kubernetes.io/component!=crds"];
      const objects = ["--ignore-not-found", ...selector, "-k", join(folder, "out/kubernetes")];
      testbed.kubectl(["delete", ...objects, `--timeout=${scaled(120)}s`]);
    },
  };
}
