import { InvalidReviewError, type AdmissionRequest, type AdmissionResponse } from "../../kube";
import { AdmissionAttempt, type AttemptOptions } from "./attempt";
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
    let result = "error";
    try {
      const attempt = new AdmissionAttempt(this.options, { ...request, namespace }, start);
      const decision = await attempt.decide();
      result = decision.is;
      const response = attempt.responseTo(decision);
      await attempt.releaseEarlierClaim(decision);
      const { name, generateName } = attempt.pod;
      const detail = decision.is === "restore" ? decision.checkpoint.metadata.name : decision.reason;
      log.info({ namespace, pod: name ?? generateName, result, detail }, "admission");
      return response;
    } finally {
      report.admitted(result, (performance.now() - start) / 1000);
    }
  }
}
