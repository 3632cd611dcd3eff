import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { needs, run } from "./run";

/** A cluster with one real node: kubelet, containerd, runc, CRIU and a registry. */
export interface Testbed {
  /** Its folder; `node/kubelet` in it is the node's /var/lib/kubelet. */
  readonly folder: string;
  /** Runs kubectl; `input` is its standard input. */
  kubectl(list: readonly string[], input?: unknown): string;
  /** Runs a program of this machine in the node's network, where its registry is localhost:5000. */
  inNetwork(command: string, list: readonly string[]): string;
  /** Checkpoints a container by the kubelet; returns the archive's path on this machine. */
  checkpoint(namespace: string, pod: string, container: string): string;
  /** Creates a pod on the real node and waits until it is Ready. */
  runPod(pod: Pod): void;
  close(): void;
}

export interface Pod {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: object;
}

const NODE = "real-1";

/**
 * Starts one by the commands in the folder CEDANA_TESTBED, with more flags of `up`. If one runs already, CEDANA_TESTBED_DIR is its folder; it is used and left
 * as it is.
 */
export function openTestbed(...flags: string[]): Testbed {
  needs("nsenter");
  const kit = process.env["CEDANA_TESTBED"];
  if (kit === undefined) throw new Error("the node tier needs a test bed: set CEDANA_TESTBED to its folder");
  const cache = process.env["TESTBED_CACHE"] ?? join(homedir(), ".cache/cedana-testbed");
  const running = process.env["CEDANA_TESTBED_DIR"];
  const folder = running ?? mkdtempSync(join(tmpdir(), "testbed-"));
  const env = { ...process.env, KUBECONFIG: join(folder, "kubeconfig"), TESTBED_CACHE: cache };
  if (running === undefined)
    run(join(kit, "up"), ["--dir", folder, "--port", "37443", "--node", ...flags], { env });
  const program = join(cache, "bin", process.env["TESTBED_K8S"] ?? "1.34.4", "kubectl");
  if (!existsSync(program)) throw new Error(`${program} is missing: run the test bed's build`);

  const kubectl = (list: readonly string[], input?: unknown) =>
    run(program, list, { env, ...(input === undefined ? {} : { input: JSON.stringify(input) }) });
  return {
    folder,
    kubectl,
    inNetwork: (command, list) => run("nsenter", ["--net=/run/netns/testbed", command, ...list]),
    checkpoint(namespace, pod, container) {
      const path = `/api/v1/nodes/${NODE}/proxy/checkpoint/${namespace}/${pod}/${container}`;
      const answer = JSON.parse(kubectl(["create", "--raw", path, "-f", "/dev/null"])) as { items: string[] };
      return answer.items[0]!.replace("/var/lib/kubelet", join(folder, "node/kubelet"));
    },
    runPod({ metadata, spec }) {
      const tolerations = [{ key: "cedana.ai/not-ready", operator: "Exists" }];
      const placed = { tolerations, terminationGracePeriodSeconds: 1, ...spec };
      kubectl(["apply", "-f", "-"], { apiVersion: "v1", kind: "Pod", metadata, spec: placed });
      kubectl(["wait", "--for=condition=Ready", `pod/${metadata.name}`, "--timeout=180s"]);
    },
    close() {
      if (running !== undefined) return;
      run(join(kit, "down"), ["--dir", folder], { env });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Repeats until it does not throw; the last error is thrown after so many seconds. */
export async function eventually<T>(look: () => T, seconds = 60): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return look();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(300);
    }
  }
}
