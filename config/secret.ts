import * as v from "./schema/valibot";
import { maskSecrets, type Problem, type PropertyPath } from "./schema/problem";
import { described, dnsSubdomain, pattern, shape, type Rule } from "./schema";

export const secretKey = pattern(/^[-._a-zA-Z0-9]{1,253}$/, {
  code: "not-a-secret-key",
  message: "is not a key that a Secret can have",
  allowed: "letters, digits, -, _ and .",
});

const reference = shape({
  name: described(dnsSubdomain, "Name of the Secret, in the namespace of the pods that read it."),
  key: described(secretKey, "Key in the Secret."),
});

const notPlainText: Rule<unknown> = {
  code: "secret-in-plain-text",
  test: (value) => typeof value !== "string",
  message: "must not be written into the input",
  allowed: "{ name: <Secret>, key: <key in it> }",
  remedy: "put the value into a Kubernetes Secret and name it here",
  secret: true,
};

/** A reference to a Secret. A value in plain text in its place is refused, and not repeated in the message. */
export function secretReference<const S extends v.GenericSchema>(form: S): S {
  return {
    ...form,
    "~run"(dataset, config) {
      if (typeof dataset.value !== "string") return form["~run"](dataset, config);
      v._addIssue({ ...form, type: "raw_check", requirement: notPlainText }, "type", dataset, config);
      return dataset as never;
    },
  };
}

/** Where a secret value is kept. */
export const secretRef = secretReference(reference);

export interface SecretRef extends v.InferOutput<typeof secretRef> {}

/** Refuses every string, at any depth, that looks like a secret. The value is not repeated in the message. */
export function refuseSecrets(value: unknown, path: PropertyPath = []): Problem[] {
  if (typeof value === "string") {
    if (maskSecrets(value) === value) return [];
    return [
      {
        code: "secret-in-plain-text",
        path,
        message: "looks like a secret in plain text",
        remedy: "put the value into a Kubernetes Secret and refer to it under secrets",
      },
    ];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    refuseSecrets(item, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}
