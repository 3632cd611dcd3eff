import { overlap, within, type ResolvedNetwork } from "../network";
import { overlapping } from "../network/check";
import { printable, type Problem } from "../schema/problem";
import { isToken } from "../schema/rule";
import { DEFAULT_SERVICE_CIDR, type ResolvedCluster, type ResolvedExistingCluster } from "./schema";

const PRIVATE_RANGES = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/** What a cluster must fulfil beyond its shape. */
export function checkCluster(cluster: ResolvedCluster): Problem[] {
  return [
    ...checkPlain(cluster),
    ...checkEndpoint(cluster),
    ...checkServiceCidr(cluster),
    ...checkAccess(cluster),
    ...checkAddons(cluster),
  ];
}

/** What an existing cluster must fulfil beyond its shape. */
export function checkExistingCluster(cluster: ResolvedExistingCluster): Problem[] {
  return checkPlain(cluster);
}

/** Node images, ARNs and endpoint names are chosen by these while synthesizing. */
function checkPlain(cluster: { readonly version: string; readonly region: string }): Problem[] {
  return (["version", "region"] as const)
    .filter((key) => isToken(cluster[key]))
    .map((key) => ({
      code: "not-plain",
      path: [key],
      message: "is known only when Terraform runs, but decides what is synthesized",
      allowed: "a plain value",
    }));
}

/** Overlaps between the cluster's Services and its network. Paths begin with `cluster` or `network`. */
export function checkAddressing(cluster: ResolvedCluster, network: ResolvedNetwork): Problem[] {
  if (cluster.ipFamily === "ipv6") return [];
  const services = cluster.serviceIpv4Cidr ?? DEFAULT_SERVICE_CIDR;
  const path = ["cluster", "serviceIpv4Cidr"];
  const problems: Problem[] = [];
  if (network.cidr !== undefined && overlap(services, network.cidr)) {
    problems.push(overlapping(path, services, "the VPC's", network.cidr));
  }
  for (const [index, reserved] of network.reservedCidrs.entries()) {
    if (overlap(services, reserved)) {
      problems.push(
        overlapping(
          ["network", "reservedCidrs", index],
          reserved,
          "the Services'",
          services,
          "set cluster.serviceIpv4Cidr to a block that nobody else uses",
        ),
      );
    }
  }
  return problems;
}

function checkEndpoint(cluster: ResolvedCluster): Problem[] {
  if (!cluster.endpointPrivateAccess && !cluster.endpointPublicAccess) {
    return [
      {
        code: "no-endpoint",
        path: ["endpointPrivateAccess"],
        message: "is off, and so is endpointPublicAccess: nothing could reach the Kubernetes API",
        allowed: "true for at least one of the two",
        remedy: "leave endpointPrivateAccess out",
      },
    ];
  }
  if (cluster.endpointPublicAccess && cluster.publicAccessCidrs.length === 0) {
    return [
      {
        code: "missing",
        path: ["publicAccessCidrs"],
        message: "is required with endpointPublicAccess: EKS would open the API to the whole internet",
        allowed: "at least one CIDR block",
        remedy: 'name the networks that may reach it, or write ["0.0.0.0/0"] to mean everyone',
      },
    ];
  }
  if (!cluster.endpointPublicAccess && cluster.publicAccessCidrs.length > 0) {
    return [
      {
        code: "without-effect",
        path: ["publicAccessCidrs"],
        message: "has no effect while endpointPublicAccess is false",
        given: printable(cluster.publicAccessCidrs),
        remedy: "set endpointPublicAccess: true, or leave the blocks out",
      },
    ];
  }
  return [...checkPublicIpv6(cluster), ...checkPublicBlocks(cluster)];
}

function checkPublicIpv6({ ipFamily, publicAccessCidrs }: ResolvedCluster): Problem[] {
  if (ipFamily === "ipv6") return [];
  return publicAccessCidrs.flatMap((block, index) =>
    !isToken(block) && block.includes(":")
      ? [
          {
            code: "not-dual-stack",
            path: ["publicAccessCidrs", index],
            message: "is an IPv6 block, which EKS takes for clusters with ipFamily ipv6 only",
            given: block,
            allowed: "IPv4 blocks",
            remedy: "leave it out: the endpoint of an IPv4 cluster has no IPv6 address",
          },
        ]
      : [],
  );
}

function checkPublicBlocks({ publicAccessCidrs }: ResolvedCluster): Problem[] {
  return publicAccessCidrs.flatMap((block, index) =>
    PRIVATE_RANGES.some((range) => within(range, block))
      ? [
          {
            code: "not-public",
            path: ["publicAccessCidrs", index],
            message: "is a private block, which EKS refuses: nobody comes from it over the internet",
            given: block,
            allowed: "public addresses",
            remedy: "leave it out: private addresses reach the API by endpointPrivateAccess",
          },
        ]
      : [],
  );
}

function checkServiceCidr({ ipFamily, serviceIpv4Cidr }: ResolvedCluster): Problem[] {
  if (serviceIpv4Cidr === undefined) return [];
  const path = ["serviceIpv4Cidr"];
  if (ipFamily === "ipv6") {
    return [
      {
        code: "without-effect",
        path,
        message: "cannot be given with ipFamily ipv6, where EKS assigns the block",
        given: serviceIpv4Cidr,
        remedy: "leave it out",
      },
    ];
  }
  if (isToken(serviceIpv4Cidr) || PRIVATE_RANGES.some((range) => within(range, serviceIpv4Cidr))) return [];
  return [
    {
      code: "not-private",
      path,
      message: "is not a private block",
      given: serviceIpv4Cidr,
      allowed: `a block within ${PRIVATE_RANGES.join(", ")}`,
    },
  ];
}

function checkAccess({ accessEntries, ...cluster }: ResolvedCluster): Problem[] {
  const problems: Problem[] = [];
  if (accessEntries.length === 0 && !cluster.bootstrapClusterCreatorAdminPermissions) {
    problems.push({
      code: "nobody-has-access",
      path: ["accessEntries"],
      message: "is empty: nobody could use the Kubernetes API of this cluster",
      allowed: "at least one entry",
      remedy:
        "add your role with policy AmazonEKSClusterAdminPolicy, or set bootstrapClusterCreatorAdminPermissions: true",
    });
  }
  for (const key of ["name", "principalArn"] as const) {
    const values = accessEntries.map((entry) => entry[key]);
    for (const [index, value] of values.entries()) {
      if (values.indexOf(value) === index || isToken(value)) continue;
      problems.push({
        code: "duplicate",
        path: ["accessEntries", index, key],
        message: "is that of an earlier entry",
        given: printable(value),
        remedy: "put the groups and policies of one principal into one entry",
      });
    }
  }
  for (const [index, entry] of accessEntries.entries()) {
    if (isToken(entry.name)) problems.push(partOfAddress(["accessEntries", index, "name"]));
    entry.policies.forEach(({ policy }, at) => {
      if (isToken(policy)) problems.push(partOfAddress(["accessEntries", index, "policies", at, "policy"]));
    });
    const names = entry.policies.map(({ policy }) => (isToken(policy) ? policy : policy.split("/").at(-1)));
    for (const [at, name] of names.entries()) {
      if (names.indexOf(name) === at) continue;
      problems.push({
        code: "duplicate",
        path: ["accessEntries", index, "policies", at, "policy"],
        message: "is in the list twice; a principal has each policy once",
        given: printable(name),
        remedy: "name all namespaces in one of the two",
      });
    }
    for (const [at, group] of entry.kubernetesGroups.entries()) {
      if (!/^(system|eks|aws|amazon|iam):/.test(group)) continue;
      problems.push({
        code: "reserved-group",
        path: ["accessEntries", index, "kubernetesGroups", at],
        message: "is refused by EKS, as are all groups that begin with system:, eks:, aws:, amazon: or iam:",
        given: printable(group),
        allowed: "groups of your own, bound by RBAC",
        remedy: "for cluster admins use policy AmazonEKSClusterAdminPolicy",
      });
    }
  }
  return problems;
}

function partOfAddress(path: Problem["path"]): Problem {
  return {
    code: "not-plain",
    path,
    message: "is known only when Terraform runs, but is part of an address in the state",
    allowed: "a plain value",
  };
}

function checkAddons({ addons }: ResolvedCluster): Problem[] {
  const problems: Problem[] = [];
  if (addons["eks-pod-identity-agent"] === false) {
    problems.push({
      code: "needed-addon",
      path: ["addons", "eks-pod-identity-agent"],
      message:
        "cannot be taken away: the network plugin and all ServiceAccounts get their AWS permissions by it",
      given: "false",
    });
  }
  const { coredns } = addons;
  if (coredns && coredns.beforeNodes === true) {
    problems.push({
      code: "addon-needs-nodes",
      path: ["addons", "coredns", "beforeNodes"],
      message: "cannot be: coredns becomes active on nodes only, and they would wait for it",
      given: "true",
      allowed: "false",
    });
  }
  return problems;
}
