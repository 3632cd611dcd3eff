import { overlap, within, type ResolvedNetwork } from "../network";
import { overlapping } from "../network/check";
import { printable, type Problem } from "../schema/problem";
import { isToken } from "../schema/rule";
import { DEFAULT_SERVICE_CIDR, type ResolvedCluster, type ResolvedExistingCluster } from "./schema";

const PRIVATE_RANGES = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/** Checks a new cluster across several properties. */
export function checkCluster(cluster: ResolvedCluster): Problem[] {
  return [
    ...checkLiterals(cluster),
    ...checkEndpoint(cluster),
    ...checkServiceCidr(cluster),
    ...checkAccess(cluster),
    ...checkAddons(cluster),
  ];
}

/** Checks an existing cluster across several properties. */
export function checkExistingCluster(cluster: ResolvedExistingCluster): Problem[] {
  return checkLiterals(cluster);
}

/** Rejects tokens as version and region: node images, ARNs and endpoint names depend on them during synthesis. */
function checkLiterals(cluster: { readonly version: string; readonly region: string }): Problem[] {
  return (["version", "region"] as const)
    .filter((key) => isToken(cluster[key]))
    .map((key) => ({
      code: "unresolved-token",
      path: [key],
      message: "is a Terraform token, but synthesis depends on its value",
      allowed: "a literal value",
    }));
}

/** Checks that the cluster's Services and its network do not overlap. Paths begin with `cluster` or `network`. */
export function checkAddressing(cluster: ResolvedCluster, network: ResolvedNetwork): Problem[] {
  if (cluster.ipFamily === "ipv6") return [];
  const services = cluster.serviceIpv4Cidr ?? DEFAULT_SERVICE_CIDR;
  const path = ["cluster", "serviceIpv4Cidr"];
  const problems: Problem[] = [];
  if (network.cidr !== undefined && overlap(services, network.cidr)) {
    problems.push(overlapping(path, services, "VPC", network.cidr));
  }
  for (const [index, reserved] of network.reservedCidrs.entries()) {
    if (overlap(services, reserved)) {
      problems.push(
        overlapping(
          ["network", "reservedCidrs", index],
          reserved,
          "Service",
          services,
          "set cluster.serviceIpv4Cidr to an unused block",
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
        code: "missing-endpoint",
        path: ["endpointPrivateAccess"],
        message: "is false, and so is endpointPublicAccess: the Kubernetes API is unreachable",
        allowed: "true for at least one of the two",
        remedy: "remove endpointPrivateAccess",
      },
    ];
  }
  if (cluster.endpointPublicAccess && cluster.publicAccessCidrs.length === 0) {
    return [
      {
        code: "missing",
        path: ["publicAccessCidrs"],
        message: "is required with endpointPublicAccess",
        allowed: "at least one CIDR block",
        remedy: 'list the networks that may reach the API; ["0.0.0.0/0"] opens it to the whole internet',
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
        remedy: "set endpointPublicAccess: true, or remove publicAccessCidrs",
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
            code: "ip-family-mismatch",
            path: ["publicAccessCidrs", index],
            message: "is an IPv6 CIDR block, which requires ipFamily ipv6",
            given: block,
            allowed: "IPv4 CIDR blocks",
            remedy: "remove it: the endpoint of an IPv4 cluster has no IPv6 address",
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
            code: "private-cidr",
            path: ["publicAccessCidrs", index],
            message: "is a private CIDR block; publicAccessCidrs must be public",
            given: block,
            allowed: "public CIDR blocks",
            remedy: "remove it: private networks reach the API through endpointPrivateAccess",
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
        message: "has no effect with ipFamily ipv6: EKS assigns the block",
        given: serviceIpv4Cidr,
        remedy: "remove it",
      },
    ];
  }
  if (isToken(serviceIpv4Cidr) || PRIVATE_RANGES.some((range) => within(range, serviceIpv4Cidr))) return [];
  return [
    {
      code: "public-cidr",
      path,
      message: "is not a private CIDR block",
      given: serviceIpv4Cidr,
      allowed: `a block within ${PRIVATE_RANGES.join(", ")}`,
    },
  ];
}

function checkAccess({ accessEntries, ...cluster }: ResolvedCluster): Problem[] {
  const problems: Problem[] = [];
  if (accessEntries.length === 0 && !cluster.bootstrapClusterCreatorAdminPermissions) {
    problems.push({
      code: "missing-access-entry",
      path: ["accessEntries"],
      message: "is empty: no principal would have access to the Kubernetes API",
      allowed: "at least one entry",
      remedy:
        "add your role with the policy AmazonEKSClusterAdminPolicy, or set bootstrapClusterCreatorAdminPermissions: true",
    });
  }
  for (const key of ["name", "principalArn"] as const) {
    const values = accessEntries.map((entry) => entry[key]);
    for (const [index, value] of values.entries()) {
      if (values.indexOf(value) === index || isToken(value)) continue;
      problems.push({
        code: "duplicate",
        path: ["accessEntries", index, key],
        message: "is already used by an earlier entry",
        given: printable(value),
        remedy: "merge the groups and policies of one principal into one entry",
      });
    }
  }
  for (const [index, entry] of accessEntries.entries()) {
    if (isToken(entry.name)) problems.push(tokenInAddress(["accessEntries", index, "name"]));
    entry.policies.forEach(({ policy }, at) => {
      if (isToken(policy)) problems.push(tokenInAddress(["accessEntries", index, "policies", at, "policy"]));
    });
    const names = entry.policies.map(({ policy }) => (isToken(policy) ? policy : policy.split("/").at(-1)));
    for (const [at, name] of names.entries()) {
      if (names.indexOf(name) === at) continue;
      problems.push({
        code: "duplicate",
        path: ["accessEntries", index, "policies", at, "policy"],
        message: "is already associated with this principal",
        given: printable(name),
        remedy: "merge the namespaces into one item",
      });
    }
    for (const [at, group] of entry.kubernetesGroups.entries()) {
      if (!/^(system|eks|aws|amazon|iam):/.test(group)) continue;
      problems.push({
        code: "reserved-group",
        path: ["accessEntries", index, "kubernetesGroups", at],
        message: "has a prefix that EKS reserves",
        given: printable(group),
        allowed: "groups that do not begin with system:, eks:, aws:, amazon: or iam:",
        remedy: "bind another group by RBAC; for cluster admins use the policy AmazonEKSClusterAdminPolicy",
      });
    }
  }
  return problems;
}

function tokenInAddress(path: Problem["path"]): Problem {
  return {
    code: "unresolved-token",
    path,
    message: "is a Terraform token, but a resource address depends on its value",
    allowed: "a literal value",
  };
}

function checkAddons({ addons }: ResolvedCluster): Problem[] {
  const problems: Problem[] = [];
  if (addons["eks-pod-identity-agent"] === false) {
    problems.push({
      code: "required-addon",
      path: ["addons", "eks-pod-identity-agent"],
      message: "is required: ServiceAccounts get their AWS permissions from it",
      given: "false",
      remedy: "remove this entry",
    });
  }
  const { coredns } = addons;
  if (coredns && coredns.beforeNodes === true) {
    problems.push({
      code: "invalid-addon-order",
      path: ["addons", "coredns", "beforeNodes"],
      message: "cannot be true: coredns needs nodes to become active",
      given: "true",
      allowed: "false",
    });
  }
  return problems;
}
