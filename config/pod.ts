/** The parts of a pod that every workload of the install lets its user set, in Kubernetes' own words. */
import * as v from "valibot";
import {
  PORT,
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
  key: described(v.optional(labelKey), "Key of the taint. Left out with Exists: every taint."),
  operator: described(
    v.optional(v.picklist(["Exists", "Equal"])),
    "Exists, or Equal. Default (Kubernetes): Equal.",
  ),
  value: described(v.optional(labelValue), "Value of the taint, for Equal."),
  effect: described(
    v.optional(v.picklist(["NoSchedule", "PreferNoSchedule", "NoExecute"])),
    "Effect of the taint. Left out: every effect.",
  ),
  tolerationSeconds: described(
    v.optional(integer(0, Number.MAX_SAFE_INTEGER)),
    "How long NoExecute is tolerated. Left out: for ever.",
  ),
});

export const affinity = shape({
  nodeAffinity: described(v.optional(v.record(v.string(), v.unknown())), "As in a Pod."),
  podAffinity: described(v.optional(v.record(v.string(), v.unknown())), "As in a Pod."),
  podAntiAffinity: described(v.optional(v.record(v.string(), v.unknown())), "As in a Pod."),
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
        requests: described(v.optional(quantities, requests), "What the container is given in any case."),
        limits: described(v.optional(quantities, limits), "What it may take at most."),
      }),
      {},
    ),
    `Resources of the container. Default: requests ${JSON.stringify(requests)}, limits ${JSON.stringify(limits)}.`,
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
  digest: described(v.optional(digest), "Digest of the image. Goes before the tag."),
  pullPolicy: described(
    v.optional(v.picklist(["IfNotPresent", "Always", "Never"]), "IfNotPresent"),
    "When the image is pulled.",
  ),
};

/** An image. The tag is pinned, or the digest says exactly which one. */
export function image(given: string, givenTag: string) {
  return described(
    v.optional(
      shape({
        repository: described(v.optional(repository, given), `Image repository. Default: ${given}.`),
        tag: described(v.optional(tag, givenTag), `Image tag. Default: ${givenTag}.`),
        ...pulled,
      }),
      {},
    ),
    "The image of the container.",
  );
}

/** An image that nobody publishes: its user says which. */
export function requiredImage(text: string) {
  return described(
    shape({
      repository: described(repository, "Image repository."),
      tag: described(v.optional(tag), "Image tag. Either it or the digest is required."),
      ...pulled,
    }),
    text,
  );
}

/** What each pod template of the install can carry besides its own. */
export function placement(priorityClassName: string) {
  return {
    affinity: described(v.optional(affinity), "Affinity of the pods."),
    podAnnotations: described(v.optional(annotations, {}), "Further annotations of the pods."),
    podLabels: described(v.optional(labels, {}), "Further labels of the pods."),
    priorityClassName: described(
      v.optional(dnsSubdomain, priorityClassName),
      `Priority of the pods. Default: ${priorityClassName}.`,
    ),
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
