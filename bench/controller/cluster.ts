import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A cluster to measure in. */
export interface BenchCluster {
  readonly kubeconfig: string;
  down(): void;
}

const PORT = process.env["TESTBED_PORT"] ?? "29443";

/**
 * A cluster of a test bed, started anew; or the one that CEDANA_INTEGRATION_KUBECONFIG names.
 * @throws Error if there is neither
 */
export function startCluster(): BenchCluster {
  const given = process.env["CEDANA_INTEGRATION_KUBECONFIG"];
  if (given) return { kubeconfig: given, down: () => undefined };
  const testbed = process.env["CEDANA_TESTBED"];
  if (!testbed || !existsSync(join(testbed, "up"))) {
    throw new Error(
      "CEDANA_TESTBED must name the folder of a Kubernetes test bed (commands up and down), or CEDANA_INTEGRATION_KUBECONFIG a cluster of one.",
    );
  }
  const folder = mkdtempSync(join(tmpdir(), "cedana-bench-cluster-"));
  const dir = join(folder, "cluster");
  const run = (command: string, ...args: string[]) => {
    const { status, stderr } = spawnSync(join(testbed, command), ["--dir", dir, ...args], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`${command}: ${stderr}`);
  };
  // One node, so that the simulator runs; pods stay Pending until they are told otherwise.
  run("up", "--port", PORT, "--kwok", "1", "--kwok-stage", "manual");
  return {
    kubeconfig: join(dir, "kubeconfig"),
    down: () => {
      run("down");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
