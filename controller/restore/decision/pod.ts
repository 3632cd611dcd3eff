import { FALLBACKS, LATEST, REQUEST, type Fallback, type OwnerIdentity } from "../../../api";
import { isTrueAt, itemsAt, textAt, textsAt, type Json } from "../../../kube";

/** A container of an admitted pod, in the order of `spec.containers`. */
export interface AdmittedContainer {
  readonly name: string;
  readonly image: string;
  /** Paths at which volumes are mounted. */
  readonly mounts: readonly string[];
}

/** The fields of a pod in admission that a decision uses. */
export interface AdmittedPod {
  /** Missing if the API server generates it. */
  readonly name?: string;
  readonly generateName?: string;
  readonly owner?: OwnerIdentity;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly containers: readonly AdmittedContainer[];
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** `nodeSelectorTerms` of the required node affinity. One of them must match. */
  readonly nodeTerms: readonly Json[];
  readonly hasPullSecrets: boolean;
}

export function projectAdmittedPod(raw: Json): AdmittedPod {
  const name = textAt(raw, "metadata", "name");
  const generateName = textAt(raw, "metadata", "generateName");
  const owner = ownerOf(raw);
  const required = "requiredDuringSchedulingIgnoredDuringExecution";
  return {
    ...(name === undefined || name === "" ? {} : { name }),
    ...(generateName === undefined || generateName === "" ? {} : { generateName }),
    ...(owner === undefined ? {} : { owner }),
    labels: textsAt(raw, "metadata", "labels"),
    annotations: textsAt(raw, "metadata", "annotations"),
    containers: itemsAt(raw, "spec", "containers").map((container) => ({
      name: textAt(container, "name") ?? "",
      image: textAt(container, "image") ?? "",
      mounts: itemsAt(container, "volumeMounts").map((mount) => textAt(mount, "mountPath") ?? ""),
    })),
    nodeSelector: textsAt(raw, "spec", "nodeSelector"),
    nodeTerms: itemsAt(raw, "spec", "affinity", "nodeAffinity", required, "nodeSelectorTerms"),
    hasPullSecrets: itemsAt(raw, "spec", "imagePullSecrets").length > 0,
  };
}

function ownerOf(raw: Json): OwnerIdentity | undefined {
  const reference = itemsAt(raw, "metadata", "ownerReferences").find((one) => isTrueAt(one, "controller"));
  if (reference === undefined) return undefined;
  const [apiVersion = "", kind = "", name = "", uid = ""] = ["apiVersion", "kind", "name", "uid"].map(
    (field) => textAt(reference, field),
  );
  return { apiVersion, kind, name, uid };
}

/** The restore that the annotations of a pod request. */
export interface RestoreRequest {
  /** Name of a Checkpoint, or `latest`. */
  readonly from: string;
  readonly fallback: Fallback;
  readonly shared: boolean;
}

/** Names of objects: DNS subdomains. */
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Reads the request. @returns a message if an annotation is invalid */
export function readRequest(annotations: Readonly<Record<string, string>>): RestoreRequest | string {
  const from = annotations[REQUEST.from] ?? "";
  const fallback = annotations[REQUEST.fallback] ?? "fresh";
  const shared = annotations[REQUEST.shared] ?? "false";
  if (!NAME.test(from) || from.length > 253)
    return invalid(REQUEST.from, from, `${LATEST}, or the name of a Checkpoint in the namespace`);
  const known = FALLBACKS.find((one) => one === fallback);
  if (known === undefined) return invalid(REQUEST.fallback, fallback, FALLBACKS.join(" or "));
  if (shared !== "true" && shared !== "false") return invalid(REQUEST.shared, shared, `"true" or "false"`);
  return { from, fallback: known, shared: shared === "true" };
}

function invalid(annotation: string, given: string, allowed: string): string {
  return `annotation ${annotation} is ${JSON.stringify(given)}; allowed: ${allowed}`;
}
