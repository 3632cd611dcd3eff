import * as v from "./schema/valibot";
import { maskSecrets, type Problem, type PropertyPath } from "./schema/problem";
import { described, dnsSubdomain, pattern, shape, type Rule } from "./schema";

export const secretKey = pattern(/^[-._a-zA-Z0-9]{1,253}$/, {
  code: "invalid-secret-key",
  message: "is not a valid key of a Secret",
  allowed: "letters, digits, -, _ and .",
});

const reference = shape({
  name: described(dnsSubdomain, "Name of the Secret, in the namespace of the pods that read it."),
  key: described(secretKey, "Key in the Secret."),
});

const notPlainText: Rule<unknown> = {
  code: "secret-in-plain-text",
  test: (value) => typeof value !== "string",
  message: "must be a reference to a Secret, not the secret value",
  allowed: "{ name: <Secret>, key: <key in the Secret> }",
  remedy: "store the value in a Kubernetes Secret and refer to it here",
  secret: true,
};

/** Returns a schema that also rejects a secret value in plain text. The problem does not repeat the value. */
export function secretReference<const S extends v.GenericSchema>(schema: S): S {
  return {
    ...schema,
    "~run"(dataset, config) {
      if (typeof dataset.value !== "string") return schema["~run"](dataset, config);
      v._addIssue({ ...schema, type: "raw_check", requirement: notPlainText }, "type", dataset, config);
      return dataset as never;
    },
  };
}

/** Describes a reference to a Secret with a Docker config.json. */
export const dockerConfigSecret = (name: string) =>
  secretReference(
    shape({
      name: described(dnsSubdomain, name),
      key: described(v.optional(secretKey, ".dockerconfigjson"), "Key in the Secret."),
    }),
  );

/** Describes a reference to a key of a Secret. */
export const secretRef = secretReference(reference);

export interface SecretRef extends v.InferOutput<typeof secretRef> {}

/** Rejects strings at any depth that look like a secret. The problems do not repeat the values. */
export function rejectSecrets(value: unknown, path: PropertyPath = []): Problem[] {
  if (typeof value === "string") {
    if (maskSecrets(value) === value) return [];
    return [
      {
        code: "secret-in-plain-text",
        path,
        message: "looks like a secret in plain text",
        remedy: "store the value in a Kubernetes Secret and refer to it under secrets",
      },
    ];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    rejectSecrets(item, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}
