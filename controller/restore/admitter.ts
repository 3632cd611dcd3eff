import { InvalidReviewError, type AdmissionRequest, type AdmissionResponse } from "../../kube";
import { AdmissionAttempt, type AttemptOptions } from "./attempt";
import type { Decision } from "./decision";
import type { SkipCause } from "./reasons";
import type { Report } from "./report";

export interface AdmitterOptions extends AttemptOptions {
  readonly report: Report;
}

/** Decides on pods that request a restore, and claims their Checkpoints. Runs on every replica. */
export class Admitter {
  constructor(private readonly options: AdmitterOptions) {}

  /**
   * Decides on a pod that is created.
   * @throws InvalidReviewError for another object; Error if the API server does not respond in time: then the failurePolicy
   *   of the webhook decides
   */
  async admit(request: AdmissionRequest): Promise<AdmissionResponse> {
    const { namespace, resource, operation } = request;
    if (resource !== "pods" || operation !== "CREATE" || namespace === undefined)
      throw new InvalidReviewError(`not the creation of a pod: ${operation} of ${resource}`);
    const { report, log } = this.options;
    const start = performance.now();
    let result: Decision["is"] | "error" = "error";
    let cause: SkipCause | "None" = "None";
    try {
      const attempt = new AdmissionAttempt(this.options, { ...request, namespace }, start);
      const decision = await attempt.decide();
      result = decision.is;
      const response = attempt.responseTo(decision);
      await attempt.releaseEarlierClaim(decision);
      if (decision.is !== "restore") cause = decision.cause;
      log.info({ ...attempt.subject, result, cause, ...detailOf(decision) }, "admission");
      return response;
    } finally {
      report.admitted(result, cause, (performance.now() - start) / 1000);
    }
  }
}

/** Returns what a decision chose or why, for the log. */
function detailOf(decision: Decision) {
  if (decision.is !== "restore") return { detail: decision.reason };
  const { name, uid } = decision.checkpoint.metadata;
  return { checkpoint: name, checkpointUID: uid };
}
