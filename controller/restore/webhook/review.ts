import { at, isTrueAt, textAt, type Json, type JsonPatchOperation } from "../../../kube";

/** What the API server asks: `AdmissionReview` of admission.k8s.io/v1, for a pod that is created. */
export interface PodReview {
  readonly uid: string;
  readonly namespace: string;
  readonly pod: Json;
  readonly dryRun: boolean;
}

export type Verdict =
  | {
      readonly allowed: true;
      readonly patch: readonly JsonPatchOperation[];
      readonly warnings: readonly string[];
    }
  | {
      readonly allowed: false;
      readonly message: string;
      /** HTTP status for whoever creates the pod. */
      readonly code: number;
    };

/** @throws Error if it is not the question that the webhook is registered for */
export function readReview(text: string): PodReview {
  const json = JSON.parse(text) as Json;
  const request = at(json, "request");
  const [uid, namespace] = [textAt(request, "uid"), textAt(request, "namespace")];
  const pod = at(request, "object");
  const isPod =
    textAt(request, "resource", "resource") === "pods" && textAt(request, "operation") === "CREATE";
  if (textAt(json, "apiVersion") !== "admission.k8s.io/v1" || !isPod)
    throw new Error("not an AdmissionReview of admission.k8s.io/v1 for the creation of a pod");
  if (uid === undefined || namespace === undefined || pod === undefined)
    throw new Error("an AdmissionReview without uid, namespace or object");
  return { uid, namespace, pod, dryRun: isTrueAt(request, "dryRun") };
}

/** The answer as the API server reads it. */
export function writeReview(uid: string, verdict: Verdict): string {
  const response = verdict.allowed
    ? {
        uid,
        allowed: true,
        patchType: "JSONPatch",
        patch: Buffer.from(JSON.stringify(verdict.patch)).toString("base64"),
        ...(verdict.warnings.length > 0 ? { warnings: verdict.warnings } : {}),
      }
    : { uid, allowed: false, status: { code: verdict.code, message: verdict.message } };
  return JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response });
}
