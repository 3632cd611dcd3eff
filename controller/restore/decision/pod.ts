import type { OwnerIdentity } from "../../../api/checkpoint";
import { isTrueAt, itemsAt, textAt, textsAt, type Json } from "../../../kube";

/** A container of a pod that is admitted. Its place in the list is that in the pod's. */
export interface AdmittedContainer {
  readonly name: string;
  readonly image: string;
  /** Paths at which volumes are mounted. */
  readonly mounts: readonly string[];
}

/** What a decision needs of a pod that is not stored yet. */
export interface AdmittedPod {
  /** Missing if the API server is to choose it. */
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
