/** The settings of a pod that each workload of the install has, with the names of Kubernetes. */
import * as v from "./schema/valibot";
import {
  PORT,
  derived,
  described,
  dnsSubdomain,
  integer,
  labelKey,
  labelValue,
  pattern,
  quantity,
  shape,
} from "./schema";

export const labels = v.record(labelKey, labelValue);
export const annotations = v.record(labelKey, v.string());

/** Resource name to quantity. */
export const quantities = v.record(labelKey, quantity);

export const toleration = shape({
  key: described(derived(labelKey, "every key; only with Exists"), "Key of the taint."),
  operator: described(
    derived(v.picklist(["Exists", "Equal"]), "Equal, by Kubernetes"),
    "How key and value are compared with the taint.",
  ),
  value: described(derived(labelValue, "the empty value"), "Value of the taint. Only with Equal."),
  effect: described(
    derived(v.picklist(["NoSchedule", "PreferNoSchedule", "NoExecute"]), "every effect"),
    "Effect of the taint.",
  ),
  tolerationSeconds: described(
    derived(integer(0, Number.MAX_SAFE_INTEGER), "forever"),
    "Seconds for which a taint with the effect NoExecute is tolerated.",
  ),
});

const rules = derived(v.record(v.string(), v.unknown()), "none");
export const affinity = shape({
  nodeAffinity: described(rules, "nodeAffinity, as in a Pod."),
  podAffinity: described(rules, "podAffinity, as in a Pod."),
  podAntiAffinity: described(rules, "podAntiAffinity, as in a Pod."),
});

/** A percentage or a number of pods. */
export const podCount = v.union([
  integer(0, 100_000),
  pattern(/^(100|[1-9]?\d)%$/, {
    code: "not-a-pod-count",
    message: "is not a number of pods",
    allowed: "a whole number, or a percentage such as 10%",
  }),
]);

export function resources(requests: Record<string, string>, limits: Record<string, string>) {
  return described(
    v.optional(
      shape({
        requests: described(
          v.optional(quantities, requests),
          "Resources that are reserved for the container.",
        ),
        limits: described(v.optional(quantities, limits), "Maximum resources of the container."),
      }),
      {},
    ),
    "Resources of the container.",
  );
}

const PART = "[a-z0-9]+([._-]+[a-z0-9]+)*";
/** Matches an image repository: the host of a registry with its port, then parts of letters and digits. */
const REPOSITORY = new RegExp(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?(:${PORT})?/)?${PART}(/${PART})*$`);

const repository = pattern(REPOSITORY, {
  code: "not-a-repository",
  message: "is not the name of an image repository",
  allowed: "[<registry>[:<port>]/]<path>, in lower case, without tag and digest",
});
const tag = pattern(/^(?!latest$)[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, {
  code: "not-a-pinned-tag",
  message: "is not a pinned tag",
  allowed: "a tag such as v0.9.297; latest is refused, because it is another image tomorrow",
});
const digest = pattern(/^sha256:[0-9a-f]{64}$/, {
  code: "not-a-digest",
  message: "is not the digest of an image",
  allowed: "sha256: and 64 hexadecimal digits",
});
const pulled = {
  digest: described(derived(digest, "that of the tag"), "Digest of the image. It overrides the tag."),
  pullPolicy: described(
    v.optional(v.picklist(["IfNotPresent", "Always", "Never"]), "IfNotPresent"),
    "When the image is pulled.",
  ),
};

/** Returns the schema of an image with a default. It is pinned by tag or digest. */
export function image(given: string, givenTag: string) {
  return described(
    v.optional(
      shape({
        repository: described(v.optional(repository, given), "Image repository."),
        tag: described(v.optional(tag, givenTag), "Image tag."),
        ...pulled,
      }),
      {},
    ),
    "Image of the container.",
  );
}

/** Returns the schema of an image without a default, because none is published. */
export function requiredImage(text: string) {
  return described(
    shape({
      repository: described(repository, "Image repository."),
      tag: described(derived(tag, "none; then the digest is required"), "Image tag."),
      ...pulled,
    }),
    text,
  );
}

/** Returns the settings that each pod template of the install has. */
export function placement(priorityClassName: string) {
  return {
    affinity: described(derived(affinity, "none"), "Affinity of the pods."),
    podAnnotations: described(v.optional(annotations, {}), "Further annotations of the pods."),
    podLabels: described(v.optional(labels, {}), "Further labels of the pods."),
    priorityClassName: described(v.optional(dnsSubdomain, priorityClassName), "PriorityClass of the pods."),
    env: described(
      v.optional(
        v.record(
          pattern(/^[A-Za-z_][A-Za-z0-9_]*$/, {
            code: "not-a-variable-name",
            message: "is not the name of an environment variable",
            allowed: "letters, digits and _",
          }),
          v.string(),
        ),
        {},
      ),
      "Further environment variables of the container, such as CEDANA_GPU_LOG_DIR.",
    ),
  };
}

export interface Toleration extends v.InferOutput<typeof toleration> {}
