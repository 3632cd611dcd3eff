import {
  itemsAt,
  metadataOf,
  pointer,
  textAt,
  textsAt,
  type Json,
  type JsonPatchOperation,
  type Kind,
  type KubernetesObject,
} from "../client";
import type { Held, Pair } from "./certificate";

/** The Secret with the certificates of a webhook. */
export interface CertificateSecret extends KubernetesObject {
  readonly type: string;
  readonly held: Held;
}

/** Keys of the Secret: those of kubernetes.io/tls for the current pair, so that cert-manager can fill it as well. */
const CURRENT = ["tls.crt", "tls.key", "ca.crt"] as const;
const NEXT = ["next.crt", "next.key", "next-ca.crt"] as const;
const PREVIOUS_CA = "previous-ca.crt";

export const CERTIFICATE_SECRET: Kind<CertificateSecret> = {
  apiVersion: "v1",
  kind: "Secret",
  plural: "secrets",
  project: projectSecret,
};

export function projectSecret(raw: Json): CertificateSecret {
  const data = textsAt(raw, "data");
  const pair = (keys: typeof CURRENT | typeof NEXT): Pair | undefined => {
    const [cert = "", key = "", ca = ""] = keys.map((name) => decoded(data[name]));
    return cert === "" || key === "" ? undefined : { cert, key, ca };
  };
  const [current, next] = [pair(CURRENT), pair(NEXT)];
  const previousCa = decoded(data[PREVIOUS_CA]);
  return {
    metadata: metadataOf(raw),
    type: textAt(raw, "type") ?? "",
    held: {
      ...(current ? { current } : {}),
      ...(next ? { next } : {}),
      ...(previousCa === "" ? {} : { previousCa }),
    },
  };
}

/** Returns the Secret's `data`. */
export function secretData({ current, next, previousCa }: Held): Record<string, string> {
  const pair = (keys: typeof CURRENT | typeof NEXT, of: Pair | undefined) =>
    of === undefined ? [] : [of.cert, of.key, of.ca].map((pem, index) => [keys[index] ?? "", encoded(pem)]);
  return Object.fromEntries([
    ...pair(CURRENT, current),
    ...pair(NEXT, next),
    ...(previousCa === undefined ? [] : [[PREVIOUS_CA, encoded(previousCa)]]),
  ]) as Record<string, string>;
}

const encoded = (pem: string) => Buffer.from(pem).toString("base64");
const decoded = (data = "") => Buffer.from(data, "base64").toString("utf8");

/** The trusted authorities of a MutatingWebhookConfiguration. */
export interface WebhookConfiguration extends KubernetesObject {
  readonly webhooks: readonly { readonly name: string; readonly bundle: string }[];
}

export const WEBHOOK_CONFIGURATION: Kind<WebhookConfiguration> = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "MutatingWebhookConfiguration",
  plural: "mutatingwebhookconfigurations",
  project: projectConfiguration,
};

function projectConfiguration(raw: Json): WebhookConfiguration {
  return {
    metadata: metadataOf(raw),
    webhooks: itemsAt(raw, "webhooks").map((webhook) => ({
      name: textAt(webhook, "name") ?? "",
      bundle: Buffer.from(textAt(webhook, "clientConfig", "caBundle") ?? "", "base64").toString("utf8"),
    })),
  };
}

/** Returns the JSON patch that sets the bundle where it differs; empty if it differs nowhere. */
export function bundlePatch({ webhooks }: WebhookConfiguration, bundle: string): JsonPatchOperation[] {
  return webhooks.flatMap(({ name, bundle: before }, index): JsonPatchOperation[] => {
    if (before === bundle) return [];
    const value = Buffer.from(bundle).toString("base64");
    return [
      { op: "test", path: pointer("webhooks", index, "name"), value: name },
      { op: "add", path: pointer("webhooks", index, "clientConfig", "caBundle"), value },
    ];
  });
}
