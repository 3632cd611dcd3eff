import type { Churn } from "./controller-churn";
import type { Fleet } from "./controller-fleet";
import { requestRate, unsettled } from "./controller-oracle";
import type { FaultPlan } from "./fault-proxy-faults";

/** Until which everything is as it has to be, after the faults. */
const CONVERGES_MS = 60_000;

export interface StormResult {
  /** What is not as it has to be, a minute after the faults. */
  readonly wrong: readonly string[];
  /** Requests a second of one replica during the faults. */
  readonly rate: number;
  /** Until everything was as it has to be. */
  readonly convergedMs: number;
}

/** Faults and churn for a while, then neither. */
export async function storm(
  fleet: Fleet,
  churn: Churn,
  plan: FaultPlan,
  seconds: number,
): Promise<StormResult> {
  const begun = Date.now();
  fleet.inject(plan);
  churn.start();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await churn.settle();
  const ended = Date.now();
  fleet.inject(undefined);
  const { wrong, convergedMs } = await converged(fleet);
  const rate = requestRate(fleet.exchanges, begun, ended) / fleet.replicas.length;
  return { wrong, rate, convergedMs };
}

/** Waits until everything is as it has to be, a minute at most. */
export async function converged({
  options: { gate },
}: Fleet): Promise<Pick<StormResult, "wrong" | "convergedMs">> {
  const begun = Date.now();
  while (unsettled(gate).length > 0 && Date.now() - begun < CONVERGES_MS) {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { wrong: unsettled(gate), convergedMs: Date.now() - begun };
}
