/** Schemas of pod settings, with the names of the Kubernetes API. */
import * as v from "./schema/valibot";
import {
  PORT,
  derived,
  described,
  dnsLabel,
  dnsSubdomain,
  integer,
  labelKey,
  labelValue,
  oneOf,
  pattern,
  quantity,
  mapping,
  rule,
  shape,
} from "./schema";

export const labels = mapping(labelKey, labelValue);
export const annotations = mapping(labelKey, v.string());

/** Maps a resource name to a quantity. */
export const quantities = mapping(labelKey, quantity);

export const toleration = shape({
  key: described(derived(labelKey, "every key, which requires the operator Exists"), "Key of the taint."),
  operator: described(
    derived(v.picklist(["Exists", "Equal"]), "Equal, the default of Kubernetes"),
    "How key and value are compared with those of the taint.",
  ),
  value: described(
    derived(labelValue, "the empty value"),
    "Value of the taint. Only with the operator Equal.",
  ),
  effect: described(
    derived(v.picklist(["NoSchedule", "PreferNoSchedule", "NoExecute"]), "every effect"),
    "Effect of the taint.",
  ),
  tolerationSeconds: described(
    derived(integer(0, Number.MAX_SAFE_INTEGER), "forever"),
    "Seconds for which a taint with the effect NoExecute is tolerated.",
  ),
});

/** Returns whether a list at any depth has an item null, which no list of a Pod can contain. */
function hasNullItem(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const items: unknown[] = Object.values(value);
  return (Array.isArray(value) && items.includes(null)) || items.some(hasNullItem);
}

const terms = derived(
  v.pipe(
    mapping(v.string(), v.unknown()),
    rule<Record<string, unknown>>({
      code: "invalid-affinity",
      test: (value) => !hasNullItem(value),
      message: "has a list with an empty item",
      allowed: "lists of terms, as in a Pod",
      remedy: "remove the item, or write its value",
    }),
  ),
  "none",
);
export const affinity = shape({
  nodeAffinity: described(terms, "nodeAffinity, as in a Pod."),
  podAffinity: described(terms, "podAffinity, as in a Pod."),
  podAntiAffinity: described(terms, "podAntiAffinity, as in a Pod."),
});

/** Matches a list of namespaces, or `all`. */
export const namespaces = oneOf([v.literal("all"), v.array(dnsLabel)]);

/** Matches a list of at least one namespace, or `all`. */
export const someNamespaces = oneOf([v.literal("all"), v.pipe(v.array(dnsLabel), v.minLength(1))]);

/** Matches a number or a percentage of pods. */
export const podCount = oneOf([
  integer(0, 100_000),
  pattern(/^(100|[1-9]?\d)%$/, {
    code: "invalid-pod-count",
    message: "is not a number of pods",
    allowed: "a whole number, or a percentage such as 10%",
  }),
]);

/** Returns the schema of the resources of a container, with default requests and limits. */
export function resources(requests: Record<string, string>, limits: Record<string, string>) {
  return described(
    v.optional(
      shape({
        requests: described(v.optional(quantities, requests), "Resources reserved for the container."),
        limits: described(v.optional(quantities, limits), "Maximum resources of the container."),
      }),
      {},
    ),
    "Resources of the container.",
  );
}

const PART = "[a-z0-9]+([._-]+[a-z0-9]+)*";
/** Matches an image repository: an optional registry host with an optional port, then path components. */
const REPOSITORY = new RegExp(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?(:${PORT})?/)?${PART}(/${PART})*$`);

const repository = pattern(REPOSITORY, {
  code: "invalid-image-repository",
  message: "is not a valid image repository",
  allowed: "[<registry>[:<port>]/]<path>, in lowercase, without tag and digest",
});
const tag = pattern(/^(?!latest$)[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, {
  code: "invalid-image-tag",
  message: "is not a pinned image tag",
  allowed: "a tag such as v0.9.297, but not latest, which may change at any time",
});
const digest = pattern(/^sha256:[0-9a-f]{64}$/, {
  code: "invalid-image-digest",
  message: "is not an image digest",
  allowed: "sha256: and 64 hexadecimal digits",
});
const pullOptions = {
  digest: described(
    derived(digest, "the digest to which the tag refers"),
    "Digest of the image. It overrides the tag.",
  ),
  pullPolicy: described(
    v.optional(v.picklist(["IfNotPresent", "Always", "Never"]), "IfNotPresent"),
    "When the image is pulled.",
  ),
};

/** Returns the schema of an image with a default repository and tag. */
export function image(defaultRepository: string, defaultTag: string) {
  return described(
    v.optional(
      shape({
        repository: described(v.optional(repository, defaultRepository), "Image repository."),
        tag: described(v.optional(tag, defaultTag), "Image tag."),
        ...pullOptions,
      }),
      {},
    ),
    "Image of the container.",
  );
}

/** Returns the schema of an image without a default. No such image is published. */
export function requiredImage(text: string) {
  return described(
    shape({
      repository: described(repository, "Image repository."),
      tag: described(derived(tag, "none; the digest is required without a tag"), "Image tag."),
      ...pullOptions,
    }),
    text,
  );
}

/** Returns the properties that all pod templates of the install share. */
export function placement(priorityClassName: string) {
  return {
    affinity: described(derived(affinity, "none"), "Affinity of the pods."),
    podAnnotations: described(v.optional(annotations, {}), "Additional annotations of the pods."),
    podLabels: described(v.optional(labels, {}), "Additional labels of the pods."),
    priorityClassName: described(v.optional(dnsSubdomain, priorityClassName), "PriorityClass of the pods."),
    env: described(
      v.optional(
        mapping(
          pattern(/^[A-Za-z_][A-Za-z0-9_]*$/, {
            code: "invalid-variable-name",
            message: "is not a valid name of an environment variable",
            allowed: "letters, digits and _, beginning with a letter or _",
          }),
          v.string(),
        ),
        {},
      ),
      "Additional environment variables of the container, such as CEDANA_GPU_LOG_DIR.",
    ),
  };
}

export interface Toleration extends v.InferOutput<typeof toleration> {}
