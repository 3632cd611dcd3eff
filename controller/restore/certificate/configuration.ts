import {
  itemsAt,
  metadataOf,
  pointer,
  textAt,
  type Json,
  type JsonPatchOperation,
  type Kind,
  type KubernetesObject,
} from "../../../kube";

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
