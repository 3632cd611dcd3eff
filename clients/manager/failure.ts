import { ManagerError, type ManagerOperation } from "./error";
import { NoAnswerError, type Answer } from "../exchange";
import { bounded, saidIn } from "./said";

export function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

/** Said by what stands between, a gateway or a mesh; the manager may have got the request. */
const BY_A_PROXY = [502, 503, 504];

/** The error that an answer other than 2xx is. */
export function errorOf(operation: ManagerOperation, answer: Answer, safe: boolean): ManagerError {
  const { status, location } = answer;
  if (status >= 300 && status < 400) {
    const message = bounded(`HTTP ${status}: redirected to ${location ?? "nowhere"}, which is not followed`);
    return new ManagerError(operation, message, { status, outcome: "refused", retryable: false });
  }
  const outcome = status < 500 ? "refused" : BY_A_PROXY.includes(status) ? "unknown" : "failed";
  const message = saidIn(answer.text) || `HTTP ${status}`;
  return new ManagerError(operation, message, { status, outcome, retryable: safe && status >= 500 });
}

/**
 * The error that there was no answer, or a strange one; anything else is as it was.
 * @param safe whether the request may be sent again whatever came of it
 * @param status of the strange answer
 */
export function failureOf(
  operation: ManagerOperation,
  error: unknown,
  safe = false,
  status?: number,
): unknown {
  if (error instanceof NoAnswerError) {
    const outcome = error.left ? "unknown" : "refused";
    const retryable = safe || !error.left;
    return new ManagerError(operation, bounded(error.message), { outcome, retryable, cause: error.cause });
  }
  if (status !== undefined && error instanceof Error) {
    return new ManagerError(operation, bounded(error.message), {
      status,
      outcome: "unknown",
      retryable: false,
    });
  }
  return error;
}
