import type { Problem } from "../schema/problem";
import { printable } from "../schema/problem";
import type { RightAreas } from "./areas";

/** Areas that are made for a cluster. */
const NEED_CLUSTER = ["nodeGroups", "karpenter", "storage", "imageRepository", "terraform"] as const;

/** Which areas can stand beside each other. */
export function checkComposition(areas: RightAreas): Problem[] {
  const { given } = areas;
  const problems: Problem[] = [];
  if (given.size === 0) return problems;
  const hasCluster = given.has("cluster") || given.has("existingCluster");
  if (given.has("cluster") && given.has("existingCluster")) {
    problems.push({
      code: "two-clusters",
      path: ["existingCluster"],
      message: "cannot stand beside cluster: a platform has one cluster",
      remedy: "leave out cluster to use the one that exists, or existingCluster to make one",
    });
  }
  if (given.has("network") && !given.has("cluster")) {
    problems.push({
      code: "without-effect",
      path: ["network"],
      message: "has no effect without cluster",
      remedy: given.has("existingCluster")
        ? "leave it out: the network of existingCluster is used"
        : "add cluster, or leave it out",
    });
  }
  for (const area of NEED_CLUSTER) {
    if (!given.has(area) || hasCluster) continue;
    problems.push({
      code: "needs-cluster",
      path: [area],
      message: "needs a cluster to belong to",
      allowed: "cluster or existingCluster in the same file",
      remedy: "add one of them",
    });
  }
  if (given.has("install") && !given.has("engine")) {
    problems.push({
      code: "without-effect",
      path: ["install"],
      message: "has no effect without engine",
      remedy: "add engine, or leave it out",
    });
  }
  if (!hasCluster && !given.has("engine")) {
    problems.push({
      code: "nothing-to-make",
      path: [],
      message: "asks for nothing",
      allowed: "cluster or existingCluster (AWS), engine (Kubernetes), or both",
      remedy: "cedana-cdk init writes a file to begin with",
    });
  }
  return [...problems, ...duplicateGroups(areas), ...foreignSubnets(areas)];
}

function duplicateGroups({ nodeGroups }: RightAreas): Problem[] {
  const first = new Map<string, number>();
  return [...nodeGroups].flatMap(([index, { name }]) => {
    const earlier = first.get(name);
    if (earlier === undefined) {
      first.set(name, index);
      return [];
    }
    return [
      {
        code: "duplicate",
        path: ["nodeGroups", index, "name"],
        message: `is the name of nodeGroups[${earlier}] already`,
        given: printable(name),
        allowed: "a name that no other group has",
      },
    ];
  });
}

/** Where the subnets of the network are known, nodes must run in them. */
function foreignSubnets({ network, nodeGroups, given }: RightAreas): Problem[] {
  if (!given.has("cluster") || (given.has("network") && !network)) return [];
  const known = network && "privateSubnetIds" in network ? network.privateSubnetIds : undefined;
  return [...nodeGroups].flatMap(([group, { subnetIds = [] }]) =>
    subnetIds.flatMap((id, index) =>
      known?.includes(id)
        ? []
        : [
            {
              code: "foreign-subnet",
              path: ["nodeGroups", group, "subnetIds", index],
              message: "is not one of the cluster's private subnets",
              given: printable(id),
              allowed: known ? known.join(", ") : "no ids: the subnets are made together with the cluster",
              remedy: known ? "add it to network.privateSubnetIds" : "leave subnetIds out",
            },
          ],
    ),
  );
}
