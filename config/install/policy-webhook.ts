import type { ClusterCheckpointPolicySpec } from "../../api";
import { anyCidr } from "../network";
import { labelKey, labelValue, described, dnsSubdomain, mapping, shape } from "../schema";
import { printable, type Problem } from "../schema/problem";
import * as v from "../schema/valibot";

/** Describes the server of the trigger `webhook`. */
export const policyWebhookSchema = shape({
  secrets: described(
    v.optional(v.pipe(v.array(dnsSubdomain), v.minLength(1)), ["cedana-policy-webhooks"]),
    "Names of the Secrets with the keys of signatures. The controller may read those of these names in the namespaces of checkpoints and in its own.",
  ),
  allowFromNamespaces: described(
    v.optional(v.array(mapping(labelKey, labelValue)), []),
    "Labels of namespaces whose pods may send requests, such as that of an Ingress controller. {} selects every namespace.",
  ),
  allowFromRanges: described(v.optional(v.array(anyCidr), []), "CIDRs from which requests may come."),
});

export type PolicyWebhookOf = v.InferOutput<typeof policyWebhookSchema>;

/** Checks that the install serves the trigger `webhook` of a policy, and may read its Secret. Paths begin with a field of `spec`. */
export function checkWebhookTrigger(
  { trigger }: Pick<ClusterCheckpointPolicySpec, "trigger">,
  settings: PolicyWebhookOf | false,
): Problem[] {
  if (!trigger.webhook) return [];
  if (!settings) {
    return [
      {
        code: "webhook-not-served",
        path: ["trigger", "webhook"],
        message: "has no effect: the install serves no webhook of policies",
        remedy: "set install.policies.webhook: {}",
      },
    ];
  }
  const { name } = trigger.webhook.secret;
  if (settings.secrets.includes(name)) return [];
  return [
    {
      code: "secret-not-listed",
      path: ["trigger", "webhook", "secret", "name"],
      message: "is a Secret that the controller may not read",
      given: printable(name),
      allowed: settings.secrets.join(", "),
      remedy: "add it to install.policies.webhook.secrets",
    },
  ];
}
