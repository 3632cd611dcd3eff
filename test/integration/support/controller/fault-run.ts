import type { Churn } from "./churn";
import type { Fleet } from "./fleet";
import { requestRate, notConverged } from "./invariants";
import type { FaultPlan } from "./faults";

/** Maximum time until the cluster has converged after the faults. */
const CONVERGENCE_MS = 60_000;

export interface FaultRunResult {
  /** Nodes without the expected state a minute after the faults. */
  readonly wrong: readonly string[];
  /** Requests per second and replica during the faults. */
  readonly rate: number;
  /** Time until all nodes had the expected state. */
  readonly convergedMs: number;
}

/** Injects faults and runs the churn for some seconds, then waits until the cluster has converged. */
export async function runWithFaults(
  fleet: Fleet,
  churn: Churn,
  plan: FaultPlan,
  seconds: number,
): Promise<FaultRunResult> {
  const startMs = Date.now();
  fleet.inject(plan);
  churn.start();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await churn.settle();
  const ended = Date.now();
  fleet.inject(undefined);
  const { wrong, convergedMs } = await converged(fleet);
  const rate = requestRate(fleet.exchanges, startMs, ended) / fleet.replicas.length;
  return { wrong, rate, convergedMs };
}

/** Waits until all nodes have the expected state, at most a minute. */
export async function converged({
  options: { gate },
}: Fleet): Promise<Pick<FaultRunResult, "wrong" | "convergedMs">> {
  const startMs = Date.now();
  while (notConverged(gate).length > 0 && Date.now() - startMs < CONVERGENCE_MS) {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { wrong: notConverged(gate), convergedMs: Date.now() - startMs };
}
