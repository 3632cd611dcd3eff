import * as v from "../schema/valibot";
import { STARTUP_TAINT_DEFAULT } from "../nodes";
import { arn, derived, described, dnsSubdomain, oneOf, pattern, shape } from "../schema";

const addonName = pattern(/^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$/, {
  code: "not-an-addon-name",
  message: "is not a name that EKS allows",
  allowed: "the name of an EKS add-on, such as aws-ebs-csi-driver",
});

const addonSchema = shape({
  version: described(
    derived(
      pattern(/^v?\d+\.\d+\.\d+.*$/, {
        code: "not-an-addon-version",
        message: "is not the version of an EKS add-on",
        allowed: "a version such as v1.20.4-eksbuild.1",
      }),
      "the one that EKS prefers for the cluster's version when the add-on is created",
    ),
    "Version of the add-on.",
  ),
  configuration: described(
    derived(v.record(v.string(), v.unknown()), "that of the add-on; coredns tolerates the startup taint"),
    "Configuration values, in the add-on's own schema.",
  ),
  beforeNodes: described(
    derived(v.boolean(), "true for vpc-cni, kube-proxy and eks-pod-identity-agent, else false"),
    "Whether the add-on is created before the first node. Set it for what a node needs to become Ready, but not for a Deployment: it never becomes active without nodes.",
  ),
  podIdentityAssociations: described(
    v.optional(
      v.array(
        shape({
          serviceAccount: described(dnsSubdomain, "ServiceAccount of the add-on."),
          roleArn: described(arn, "IAM role of the ServiceAccount, by EKS Pod Identity."),
        }),
      ),
      [],
    ),
    "AWS permissions of the add-on. vpc-cni gets a new role if its list is empty.",
  ),
});

/** Add-ons by name, in addition to the four that every cluster has; `false` removes one of those. */
export const addonsSchema = described(
  v.optional(v.record(addonName, oneOf([addonSchema, v.literal(false)])), {}),
  "EKS add-ons by name. vpc-cni, kube-proxy, eks-pod-identity-agent and coredns are always installed; false removes one.",
);

/** An add-on as it will be installed. */
export interface Addon extends v.InferOutput<typeof addonSchema> {
  readonly name: string;
  readonly beforeNodes: boolean;
}

/** Without these a node never becomes Ready, or its first pods have no AWS permissions. */
const BEFORE_NODES = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"];
const ALWAYS = [...BEFORE_NODES, "coredns"];

/**
 * The agent that takes the startup taint away looks names up, so CoreDNS must run before the taint goes: with all nodes
 * tainted each would wait for the other. The first two are those of the add-on itself, which a given list replaces.
 */
const COREDNS_TOLERATIONS = [
  { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" },
  { key: "CriticalAddonsOnly", operator: "Exists" },
  { key: STARTUP_TAINT_DEFAULT.key, operator: "Exists", effect: STARTUP_TAINT_DEFAULT.effect },
];

/** Every add-on of the cluster, those before the nodes first, in a fixed order. */
export function resolveAddons(given: v.InferOutput<typeof addonsSchema>): Addon[] {
  const names = [
    ...ALWAYS,
    ...Object.keys(given)
      .filter((name) => !ALWAYS.includes(name))
      .toSorted(),
  ];
  const addons = names.flatMap((name) => {
    const addon = given[name] ?? { podIdentityAssociations: [] };
    if (addon === false) return [];
    const configuration =
      name === "coredns" ? { tolerations: COREDNS_TOLERATIONS, ...addon.configuration } : addon.configuration;
    return [{ ...addon, configuration, name, beforeNodes: addon.beforeNodes ?? BEFORE_NODES.includes(name) }];
  });
  return [...addons.filter((addon) => addon.beforeNodes), ...addons.filter((addon) => !addon.beforeNodes)];
}
