import type { Json } from "../../http";
import { at, isTrueAt, textAt, type JsonPatchOperation } from "../client/json";

/** The request of an `AdmissionReview` of admission.k8s.io/v1. */
export interface AdmissionRequest {
  readonly uid: string;
  /** Name of the user or account that sent the object; empty if the review has none. */
  readonly user: string;
  /** Missing for cluster-scoped objects. */
  readonly namespace?: string;
  /** Plural of the kind: `pods`. */
  readonly resource: string;
  readonly operation: string;
  readonly object: Json;
  readonly dryRun: boolean;
}

export type AdmissionResponse =
  | {
      readonly allowed: true;
      readonly patch: readonly JsonPatchOperation[];
      readonly warnings: readonly string[];
    }
  | {
      readonly allowed: false;
      readonly message: string;
      /** HTTP status for the client that sent the object. */
      readonly code: number;
    };

/** Decides on objects before they are stored. @throws InvalidReviewError for an object that it is not registered for */
export type AdmissionHandler = (request: AdmissionRequest) => Promise<AdmissionResponse>;

/** The review is malformed, or of an object that the handler is not registered for. */
export class InvalidReviewError extends Error {
  override readonly name = "InvalidReviewError";
}

/** Parses a review. @throws InvalidReviewError if the text is not one */
export function readReview(text: string): AdmissionRequest {
  const json = parsed(text);
  const request = at(json, "request");
  const [uid, namespace, operation] = ["uid", "namespace", "operation"].map((field) =>
    textAt(request, field),
  );
  const resource = textAt(request, "resource", "resource");
  const object = at(request, "object");
  if (textAt(json, "apiVersion") !== "admission.k8s.io/v1")
    throw new InvalidReviewError("not an AdmissionReview of admission.k8s.io/v1");
  if (uid === undefined || operation === undefined || resource === undefined || object === undefined)
    throw new InvalidReviewError("an AdmissionReview without uid, operation, resource or object");
  return {
    uid,
    user: textAt(request, "userInfo", "username") ?? "",
    ...(namespace === undefined ? {} : { namespace }),
    resource,
    operation,
    object,
    dryRun: isTrueAt(request, "dryRun"),
  };
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new InvalidReviewError((error as Error).message);
  }
}

/** Returns the review with the response. */
export function writeReview(uid: string, admission: AdmissionResponse): string {
  const response = admission.allowed
    ? {
        uid,
        allowed: true,
        patchType: "JSONPatch",
        patch: Buffer.from(JSON.stringify(admission.patch)).toString("base64"),
        ...(admission.warnings.length > 0 ? { warnings: admission.warnings } : {}),
      }
    : { uid, allowed: false, status: { code: admission.code, message: admission.message } };
  return JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response });
}
