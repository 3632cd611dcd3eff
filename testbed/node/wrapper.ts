import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CRIU_HANDLER } from "../../config/engines/criu";
import { handlerOf } from "./boot";
import { ROOT, run } from "./run";
import { eventually, installOn, NODE, scaled, type Testbed } from "./testbed";

/** Annotation of a pod that is restored. containerd copies it to the container's config.json. */
export const RESTORE_ANNOTATION = "cedana.ai/restore-plan";

const PLANS = "/var/lib/cedana-cdk/restore";

/** Fields of plan.json that a test sets. */
export interface PlanFields {
  readonly fallback?: "fresh" | "fail";
  readonly restart?: "fresh" | "again";
  readonly restoreSeconds?: number;
  readonly logBytes?: number;
  readonly lazy?: boolean;
  readonly deadline?: string;
}

/** state.json of a pod's restore. */
export interface RestoreState {
  readonly decision: string;
  readonly reason?: string;
  readonly message?: string;
  readonly containers?: Readonly<
    Record<
      string,
      {
        id: string;
        phase: string;
        attempts: number;
        milliseconds?: number;
        lazy?: boolean;
        eager?: string;
        at: string;
      }
    >
  >;
  readonly volumes?: Readonly<Record<string, { complete: boolean; backup?: boolean }>>;
}

/** A node whose handler `cedana` has the wrapper as OCI runtime. */
export interface WrapperNode extends Testbed {
  /** Builds the wrapper and installs it as the node agent does. */
  install(): void;
  /** Creates a pod of the handler; with `annotate` it waits for a plan. It need not become Ready. */
  create(name: string, spec: object, annotate?: boolean): void;
  /** Waits until a pod is Ready. */
  ready(name: string): void;
  uid(pod: string): string;
  /** Checkpoints containers of a pod into a directory of the node. */
  checkpoint(directory: string, pod: string, containers: readonly string[], tcp?: string): void;
  /** Lays a plan for a pod. */
  plan(directory: string, pod: string, fields?: PlanFields): void;
  /** Creates a pod, lays its plan and waits until it is Ready. Returns the state of the restore. */
  restore(name: string, spec: object, directory: string, fields?: PlanFields): RestoreState;
  /** Waits until the pod has a state for which a condition holds. */
  state(pod: string, holds?: (state: RestoreState) => boolean): Promise<RestoreState>;
  /** Runs a command in a container. */
  exec(pod: string, container: string, ...command: string[]): string;
  /** Returns what a restore may not leave on the node once all pods are deleted. */
  leftovers(): string;
}

/** Starts the node. */
export function openWrapperNode(): Promise<WrapperNode> {
  return installOn({ containerd: handlerOf }, install);
}

function install(bed: Testbed): WrapperNode {
  bed.addNode();
  const build = (source: string, path: string) => {
    const folder = mkdtempSync(join(tmpdir(), "wrapper-"));
    const file = join(folder, "program");
    const flags = ["-trimpath", "-ldflags", "-s -w"];
    run("go", ["build", ...flags, "-o", file, source], {
      cwd: join(ROOT, "runtime"),
      env: { ...process.env, CGO_ENABLED: "0" },
    });
    const copy = 'mkdir -p "$(dirname "$0")"; cat > "$0.new"; chmod 755 "$0.new"; mv "$0.new" "$0"';
    for (const each of path.split(" ")) bed.feed(readFileSync(file), "sh", "-c", copy, each);
    rmSync(folder, { recursive: true });
  };
  const get = (kind: string, name: string, path: string) =>
    bed.kubectl(["get", kind, name, "-o", `jsonpath={${path}}`]);
  const readState = (pod: string) =>
    JSON.parse(bed.onNode("cat", `${PLANS}/${get("pod", pod, ".metadata.uid")}/state.json`)) as RestoreState;
  const node: WrapperNode = {
    ...bed,
    install() {
      build("./cmd/cedana-node", "/usr/local/bin/cedana-runc /opt/cedana-cdk/current/bin/cedana-node");
      build("./test/lay", "/usr/local/bin/lay");
    },
    create(name, spec, annotate = false) {
      bed.kubectl(["create", "-f", "-"], {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, annotations: annotate ? { [RESTORE_ANNOTATION]: "" } : {} },
        spec: {
          runtimeClassName: "cedana",
          nodeSelector: { "kubernetes.io/hostname": NODE.name },
          tolerations: [{ operator: "Exists" }],
          terminationGracePeriodSeconds: 1,
          ...spec,
        },
      });
    },
    ready: (name) =>
      void bed.kubectl(["wait", "--for=condition=Ready", `pod/${name}`, `--timeout=${scaled(120)}s`]),
    uid: (pod) => get("pod", pod, ".metadata.uid"),
    checkpoint(directory, pod, containers, tcp = "close") {
      const ids = containers.map((name) => {
        const id = get("pod", pod, `.status.containerStatuses[?(@.name=="${name}")].containerID`);
        return `${name}=${id.replace("containerd://", "")}`;
      });
      bed.onNode("rm", "-rf", directory);
      bed.onNode("lay", "checkpoint", directory, tcp, node.uid(pod), ...ids);
    },
    plan: (directory, pod, fields = {}) =>
      void bed.onNode("lay", "plan", directory, node.uid(pod), JSON.stringify(fields)),
    restore(name, spec, directory, fields) {
      node.create(name, spec, true);
      node.plan(directory, name, fields);
      node.ready(name);
      return readState(name);
    },
    state: (pod, holds = () => true) =>
      eventually(() => {
        const state = readState(pod);
        if (!holds(state)) throw new Error(`the restore of ${pod} is at ${JSON.stringify(state)}`);
        return state;
      }),
    exec: (pod, container, ...command) => bed.kubectl(["exec", pod, "-c", container, "--", ...command]),
    leftovers: () =>
      bed.onNode(
        "sh",
        "-c",
        "find /run/cedana-cdk/restored /run/containerd/runc/k8s.io -mindepth 1; grep -E 'criu|cgyard' /proc/self/mountinfo; pgrep -x criu; true",
      ),
  };
  node.install();
  node.kubectl(["apply", "-f", "-"], {
    apiVersion: "node.k8s.io/v1",
    kind: "RuntimeClass",
    metadata: { name: "cedana" },
    handler: CRIU_HANDLER.name,
  });
  return node;
}
