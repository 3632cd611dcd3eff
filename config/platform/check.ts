import * as v from "../schema/valibot";
import { checkAddressing, checkCluster, checkExistingCluster } from "../cluster";
import { capabilitiesOf, checkEngine, checkTogether, type ResolvedEngine } from "../engines";
import { checkInstall, installSchema, type ResolvedInstall } from "../install";
import { checkKarpenter, checkKarpenterNames } from "../karpenter";
import { checkNetwork, networkSchema } from "../network";
import { KUBERNETES_MINORS } from "../nodes";
import { checkNodeGroup } from "../nodes/group";
import { checkPlainData } from "../schema/plain-data";
import { InvalidInputError, printable, under, type Problem, type PropertyPath } from "../schema/problem";
import { check } from "../schema";
import {
  platformSchema,
  validAreas,
  withMoveRemedy,
  type Platform,
  type PlatformSpec,
  type ValidAreas,
} from "./schema";
import {
  checkEngines,
  checkHandlers,
  checkNodesGetAgent,
  checkStartupTaints,
  withNodeEngines,
} from "./nodes";
import { checkExpiryOfCheckpoints, checkRepository, checkStorage, withAgentAccess } from "./stores";
import { isToken } from "../schema/rule";

/** Result of the check of a platform. */
export interface CheckedPlatform {
  /** The platform with every default and derived value. Undefined if there is any problem. */
  readonly platform?: Platform;
  readonly problems: readonly Problem[];
}

/** Checks the valid areas of a platform. For checks that `config` cannot make, such as the size of rendered text. */
export type AreaCheck = (areas: ValidAreas) => readonly Problem[];

/**
 * Checks a whole platform: the data of a cedana.yaml or the props of a PlatformStack. Checks each area even if another one
 * has problems. Accepts Terraform tokens, except in properties that synthesis depends on.
 * @param more - further checks. `checkUserData` of `cedana-cdk/render` is one
 */
export function checkPlatform(input: unknown, ...more: readonly AreaCheck[]): CheckedPlatform {
  const dataProblems = checkPlainData(input);
  const isNotData = within(dataProblems);
  const shapeProblems = [
    ...dataProblems,
    ...(check(platformSchema, input).problems ?? [])
      .filter(({ path }) => !isNotData(path))
      .map((problem) => withMoveRemedy(problem, input)),
  ];
  const { output } = v.safeParse(platformSchema, input);
  const areas = validAreas(input, output as Partial<Platform> | undefined, shapeProblems);
  const problems = [
    ...shapeProblems,
    ...checkAreas(areas),
    ...checkAcross(areas),
    ...more.flatMap((check) => check(areas)),
  ];
  if (problems.length > 0) return { problems };
  return { platform: withAgentAccess(withNodeEngines(output as Platform)), problems };
}

/** Returns a test of whether a path is one of the problems' or below it. A file can have many problems of both kinds. */
function within(problems: readonly Problem[]): (path: PropertyPath) => boolean {
  const known = new Set(problems.map(({ path }) => JSON.stringify(path)));
  return (path) =>
    known.size > 0 &&
    [...path.keys(), path.length].some((end) => known.has(JSON.stringify(path.slice(0, end))));
}

/**
 * Returns the platform with every default and derived value.
 * @throws InvalidInputError with all problems of all areas
 */
export function resolvePlatform(spec: PlatformSpec, ...more: readonly AreaCheck[]): Platform {
  const { platform, problems } = checkPlatform(spec, ...more);
  if (!platform) throw new InvalidInputError("platform", problems);
  return platform;
}

/** Runs the checks of single areas. */
function checkAreas(areas: ValidAreas): Problem[] {
  const { cluster, existingCluster, network, engine, install, karpenter } = areas;
  const eks = cluster ?? existingCluster;
  return [
    ...under(["cluster"], cluster ? checkCluster(cluster) : []),
    ...under(["existingCluster"], existingCluster ? checkExistingCluster(existingCluster) : []),
    ...under(["network"], network ? checkNetwork(network, { region: eks?.region }) : []),
    ...[...areas.nodeGroups].flatMap(([index, group]) =>
      under(
        ["nodeGroups", index],
        checkNodeGroup(group, { kubernetesVersion: eks?.version ?? minorOf(group) }),
      ),
    ),
    ...under(
      ["karpenter"],
      karpenter ? checkKarpenter(karpenter, { kubernetesVersion: eks?.version ?? ANY_MINOR }) : [],
    ),
    ...under(["karpenter"], karpenter && eks ? checkKarpenterNames(karpenter, eks.name) : []),
    ...under(["engine"], engine ? checkEngine(engine) : []),
    ...under(["install"], install ? checkInstall(install) : []),
  ];
}

/** Version to check nodes with if that of the cluster is invalid. */
const [ANY_MINOR] = KUBERNETES_MINORS;

function minorOf({ version, ami }: Platform["nodeGroups"][number]): string {
  const release = ami && "releaseVersion" in ami ? /^1\.\d+/.exec(ami.releaseVersion)?.[0] : undefined;
  return version ?? release ?? ANY_MINOR;
}

/** Runs the checks that depend on several areas. */
function checkAcross(areas: ValidAreas): Problem[] {
  const { cluster, network, engine } = areas;
  const validNetwork = areas.present.has("network") ? network : v.parse(networkSchema, {});
  const install = areas.present.has("install") ? areas.install : v.parse(installSchema, {});
  return [
    ...checkComposition(areas),
    ...checkIdentities(areas),
    ...(cluster && validNetwork ? checkAddressing(cluster, validNetwork) : []),
    ...(engine ? checkEngines(areas, engine) : []),
    ...(engine && install ? checkWithEngine(areas, engine, install) : []),
  ];
}

/** Runs the checks of areas that depend on engine and install. */
function checkWithEngine(areas: ValidAreas, engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  const capabilities = capabilitiesOf(engine, install);
  return [
    ...checkTogether(engine, install),
    ...checkNodesGetAgent(areas, install),
    ...checkHandlers(areas, capabilities),
    ...checkStartupTaints(areas, install, capabilities),
    ...checkStorage(areas, capabilities),
    ...checkRepository(areas, capabilities),
    ...checkExpiryOfCheckpoints(areas, capabilities),
  ];
}

/** Areas that require a cluster. */
const NEED_CLUSTER = ["nodeGroups", "karpenter", "storage", "imageRepository", "terraform"] as const;

/** Checks which areas can be combined. */
export function checkComposition(areas: ValidAreas): Problem[] {
  const { present } = areas;
  const problems: Problem[] = [];
  if (present.size === 0) return problems;
  const hasCluster = present.has("cluster") || present.has("existingCluster");
  if (present.has("cluster") && present.has("existingCluster")) {
    problems.push({
      code: "two-clusters",
      path: ["existingCluster"],
      message: "conflicts with cluster: a platform has one cluster",
      remedy: "remove cluster to use the existing one, or existingCluster to create one",
    });
  }
  if (present.has("network") && !present.has("cluster")) {
    problems.push({
      code: "without-effect",
      path: ["network"],
      message: "has no effect without cluster",
      remedy: present.has("existingCluster")
        ? "remove it; existingCluster.subnetIds selects the subnets of nodes"
        : "add cluster, or remove network",
    });
  }
  for (const area of NEED_CLUSTER) {
    if (!present.has(area) || hasCluster) continue;
    problems.push({
      code: "cluster-missing",
      path: [area],
      message: "requires a cluster",
      allowed: "a file with cluster or existingCluster",
      remedy: "add cluster or existingCluster",
    });
  }
  if (present.has("install") && !present.has("engine")) {
    problems.push({
      code: "without-effect",
      path: ["install"],
      message: "has no effect without engine",
      remedy: "add engine, or remove install",
    });
  }
  if (!hasCluster && !present.has("engine")) {
    problems.push({
      code: "empty-platform",
      path: [],
      message: "contains nothing to create",
      allowed: "cluster or existingCluster (AWS), engine (Kubernetes), or both",
      remedy: "run cedana-cdk init to create a file",
    });
  }
  return [...problems, ...checkStateKey(areas), ...checkGroupNames(areas), ...checkSubnets(areas)];
}

/** Requires a key of the state if none can be derived from the name and region of a new cluster. */
function checkStateKey({ present, terraform, cluster }: ValidAreas): Problem[] {
  const { backend } = terraform ?? {};
  if (!backend || "path" in backend || backend.key !== undefined) return [];
  const path = ["terraform", "backend", "key"];
  const remedy = "set a key that no other platform in the bucket uses";
  if (present.has("existingCluster")) {
    return [{ code: "missing", path, message: "is required with existingCluster", remedy }];
  }
  if (!isToken(cluster?.name) && !isToken(cluster?.region)) return [];
  return [
    {
      code: "missing",
      path,
      message: "is required: name or region of the cluster is a Terraform token",
      remedy,
    },
  ];
}

/** Checks that the names of node groups are unique literals, because resource addresses depend on them. */
function checkGroupNames({ nodeGroups }: ValidAreas): Problem[] {
  const first = new Map<string, number>();
  return [...nodeGroups].flatMap(([index, { name }]): Problem[] => {
    const path = ["nodeGroups", index, "name"];
    if (isToken(name)) {
      return [
        {
          code: "unresolved-token",
          path,
          message: "is a Terraform token, but resource addresses depend on its value",
          allowed: "a literal value",
        },
      ];
    }
    const earlier = first.get(name);
    if (earlier === undefined) {
      first.set(name, index);
      return [];
    }
    return [
      {
        code: "duplicate-name",
        path,
        message: `is already the name of nodeGroups[${earlier}]`,
        given: printable(name),
        allowed: "a unique name",
      },
    ];
  });
}

/** Checks that nodes run in the private subnets of the cluster, if these are known. */
function checkSubnets({ network, nodeGroups, present }: ValidAreas): Problem[] {
  if (!present.has("cluster") || (present.has("network") && !network)) return [];
  const known = network && "privateSubnetIds" in network ? network.privateSubnetIds : undefined;
  if (known?.some(isToken) || isToken(known)) return [];
  return [...nodeGroups].flatMap(([group, { subnetIds = [] }]) =>
    subnetIds.flatMap((id, index) =>
      known?.includes(id) || (known && isToken(id))
        ? []
        : [
            {
              code: "subnet-not-in-cluster",
              path: ["nodeGroups", group, "subnetIds", index],
              message: "is not a private subnet of the cluster",
              given: printable(id),
              allowed: known ? known.join(", ") : "no ids: the subnets are created with the cluster",
              remedy: known ? "add it to network.privateSubnetIds" : "remove subnetIds",
            },
          ],
    ),
  );
}

/** Rejects access for Karpenter's ServiceAccount: EKS allows one role per account, and it already has one. */
export function checkIdentities({ karpenter, storage, imageRepository }: ValidAreas): Problem[] {
  if (!karpenter) return [];
  const { namespace, serviceAccount } = karpenter;
  const lists = [
    [["storage", "writers"], storage?.writers],
    [["storage", "readers"], storage?.readers],
    [["imageRepository", "writers"], imageRepository?.writers],
    [["imageRepository", "pushers"], imageRepository?.pushers],
    [["imageRepository", "pullers"], imageRepository?.pullers],
    [["imageRepository", "checkers"], imageRepository?.checkers],
  ] as const;
  return lists.flatMap(([path, accounts = []]) =>
    accounts.flatMap((account, index) =>
      account.namespace === namespace && account.serviceAccount === serviceAccount
        ? [
            {
              code: "duplicate-pod-identity",
              path: [...path, index],
              message: "is Karpenter's ServiceAccount, which already has a role",
              given: `${namespace}/${serviceAccount}`,
              allowed: "another ServiceAccount: EKS allows one role for each",
            },
          ]
        : [],
    ),
  );
}
