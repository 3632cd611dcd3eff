import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A cluster for measurements. */
export interface BenchCluster {
  readonly kubeconfig: string;
  down(): void;
}

const PORT = process.env["TESTBED_PORT"] ?? "29443";

/**
 * Returns the cluster of CEDANA_INTEGRATION_KUBECONFIG, else starts a cluster of the test bed.
 * @throws Error if neither is configured
 */
export function startCluster(): BenchCluster {
  const given = process.env["CEDANA_INTEGRATION_KUBECONFIG"];
  if (given) return { kubeconfig: given, down: () => undefined };
  const testbed = process.env["CEDANA_TESTBED"];
  if (!testbed || !existsSync(join(testbed, "up"))) {
    throw new Error(
      "set CEDANA_TESTBED to the directory of a Kubernetes test bed (commands up and down), or CEDANA_INTEGRATION_KUBECONFIG",
    );
  }
  const temporary = mkdtempSync(join(tmpdir(), "cedana-bench-cluster-"));
  const directory = join(temporary, "cluster");
  const run = (command: string, ...args: string[]) => {
    const { status, stderr } = spawnSync(join(testbed, command), ["--dir", directory, ...args], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`${command}: ${stderr}`);
  };
  // One node starts the simulator. With stage `manual`, pods stay Pending until they are annotated.
  run("up", "--port", PORT, "--kwok", "1", "--kwok-stage", "manual");
  return {
    kubeconfig: join(directory, "kubeconfig"),
    down: () => {
      run("down");
      rmSync(temporary, { recursive: true, force: true });
    },
  };
}
