import { itemsAt, metadataOf, textAt, type Json, type KubernetesObject } from "../../../kube/runtime";

/** The MutatingWebhookConfiguration, as far as its trust goes. */
export interface WebhookConfiguration extends KubernetesObject {
  readonly webhooks: readonly { readonly name: string; readonly bundle: string }[];
}

export function projectConfiguration(raw: Json): WebhookConfiguration {
  return {
    metadata: metadataOf(raw),
    webhooks: itemsAt(raw, "webhooks").map((webhook) => ({
      name: textAt(webhook, "name") ?? "",
      bundle: Buffer.from(textAt(webhook, "clientConfig", "caBundle") ?? "", "base64").toString("utf8"),
    })),
  };
}

/** JSON Patch that sets the bundle where it is another; empty if it is nowhere. */
export function bundlePatch({ metadata, webhooks }: WebhookConfiguration, bundle: string): object[] {
  const operations = webhooks.flatMap(({ name, bundle: before }, index) => {
    if (before === bundle) return [];
    const path = `/webhooks/${index}`;
    const value = Buffer.from(bundle).toString("base64");
    return [
      { op: "test", path: `${path}/name`, value: name },
      { op: "add", path: `${path}/clientConfig/caBundle`, value },
    ];
  });
  return operations.length === 0
    ? []
    : [{ op: "test", path: "/metadata/uid", value: metadata.uid }, ...operations];
}
