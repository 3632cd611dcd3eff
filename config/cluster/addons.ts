import * as v from "../schema/valibot";
import { STARTUP_TAINT_DEFAULT } from "../nodes";
import { arn, derived, described, dnsSubdomain, oneOf, pattern, mapping, shape } from "../schema";

const addonName = pattern(/^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$/, {
  code: "invalid-addon-name",
  message: "is not a valid name of an EKS add-on",
  allowed: "up to 100 letters, digits, - and _, such as aws-ebs-csi-driver",
});

const addonSchema = shape({
  version: described(
    derived(
      pattern(/^v?\d+\.\d+\.\d+.*$/, {
        code: "invalid-addon-version",
        message: "is not a version of an EKS add-on",
        allowed: "a version such as v1.20.4-eksbuild.1",
      }),
      "the default of EKS for the cluster's version when the add-on is created",
    ),
    "Version of the add-on.",
  ),
  configuration: described(
    derived(
      mapping(v.string(), v.unknown()),
      "the add-on's default; for coredns also a toleration of the startup taint",
    ),
    "Configuration values, by the schema of the add-on.",
  ),
  beforeNodes: described(
    derived(v.boolean(), "true for vpc-cni, kube-proxy and eks-pod-identity-agent, else false"),
    "Whether the add-on is created before the first node. Set it if a node needs the add-on to become Ready. Do not set it for a Deployment, which never becomes active without nodes.",
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
    "IAM roles of the add-on's ServiceAccounts. vpc-cni gets a new role if its list is empty.",
  ),
});

/** Describes the add-ons by name, in addition to the four that every cluster has. `false` removes one of those. */
export const addonsSchema = described(
  v.optional(mapping(addonName, oneOf([addonSchema, v.literal(false)])), {}),
  "EKS add-ons by name. vpc-cni, kube-proxy, eks-pod-identity-agent and coredns are always installed; false removes one.",
);

/** Describes an add-on of the cluster, with its defaults. */
export interface Addon extends v.InferOutput<typeof addonSchema> {
  readonly name: string;
  readonly beforeNodes: boolean;
}

/** Add-ons that a node needs to become Ready, or that its first pods need for AWS permissions. */
const BEFORE_NODES = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"];
const ALWAYS = [...BEFORE_NODES, "coredns"];

/**
 * The component that removes the startup taint needs DNS, so CoreDNS must tolerate the taint. Otherwise a cluster whose
 * nodes all have the taint would deadlock. The first two are the add-on's defaults, which a configured list replaces.
 */
const COREDNS_TOLERATIONS = [
  { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" },
  { key: "CriticalAddonsOnly", operator: "Exists" },
  { key: STARTUP_TAINT_DEFAULT.key, operator: "Exists", effect: STARTUP_TAINT_DEFAULT.effect },
];

/** Returns all add-ons of the cluster in a fixed order: first those that are created before the nodes. */
export function resolveAddons(configured: v.InferOutput<typeof addonsSchema>): Addon[] {
  const names = [
    ...ALWAYS,
    ...Object.keys(configured)
      .filter((name) => !ALWAYS.includes(name))
      .toSorted(),
  ];
  const addons = names.flatMap((name) => {
    const addon = configured[name] ?? { podIdentityAssociations: [] };
    if (addon === false) return [];
    const configuration =
      name === "coredns" ? { tolerations: COREDNS_TOLERATIONS, ...addon.configuration } : addon.configuration;
    return [{ ...addon, configuration, name, beforeNodes: addon.beforeNodes ?? BEFORE_NODES.includes(name) }];
  });
  return [...addons.filter((addon) => addon.beforeNodes), ...addons.filter((addon) => !addon.beforeNodes)];
}
