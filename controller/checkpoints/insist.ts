import { NotLeaderError } from "../../kube/runtime";
import type { Logger } from "../../kube/runtime";
import { exponential, sleep } from "../../kube/runtime/backoff";
import { isRefused } from "./requests";

const BASE_MS = 250;
const MAX_MS = 5000;

/**
 * Tries until it is done: what an engine has done must be written down, however long the API server is away.
 * @throws what is thrown if trying again does not help (the API server refuses it, the lease is lost), or at the signal
 */
export async function insist<T>(log: Logger, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (isRefused(error) || error instanceof NotLeaderError || signal.aborted) throw error;
      log.warn({ err: error, attempt }, "not written yet");
      await sleep(exponential(BASE_MS, MAX_MS, attempt), signal);
    }
  }
}
