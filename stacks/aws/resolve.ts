import { checkpointStoreSchema, type ResolvedCheckpointStore } from "../../config/checkpoint-store";
import {
  checkAddressing,
  checkCluster,
  checkExistingCluster,
  clusterSchema,
  existingClusterSchema,
  type ResolvedCluster,
  type ResolvedExistingCluster,
} from "../../config/cluster";
import { imageRepositorySchema, type ResolvedImageRepository } from "../../config/image-repository";
import {
  checkKarpenter,
  checkKarpenterNames,
  karpenterSchema,
  type ResolvedKarpenter,
} from "../../config/karpenter";
import { checkNetwork, networkSchema, type ResolvedNetwork } from "../../config/network";
import { KUBERNETES_MINORS, tagsSchema } from "../../config/nodes";
import { checkNodeGroups, nodeGroupSchema, type ResolvedNodeGroup } from "../../config/nodes/group";
import { throwIfAny, under, type Problem } from "../../config/schema";
import { check, nearest, type Checked } from "../../config/schema";
import type { PlatformStackProps } from "./props";

/** The parts of a platform with their defaults; what is switched off is undefined. */
export interface ResolvedPlatformStack {
  readonly cluster?: ResolvedCluster;
  readonly existingCluster?: ResolvedExistingCluster;
  readonly network?: ResolvedNetwork;
  readonly nodeGroups: readonly ResolvedNodeGroup[];
  readonly karpenter?: ResolvedKarpenter;
  readonly storage?: ResolvedCheckpointStore;
  readonly imageRepository?: ResolvedImageRepository;
}

/**
 * Checks all parts, each by itself and together, before the first construct is made.
 * @throws InvalidInputError with the problems of all parts
 */
export function resolvePlatform(subject: string, props: PlatformStackProps): ResolvedPlatformStack {
  const problems: Problem[] = [];
  function part<T, I>(name: string, input: I | false | undefined, resolve: (input: I) => Checked<T>) {
    if (input === undefined || input === false) return undefined;
    const checked = resolve(input);
    if (!checked.problems) return checked.value;
    problems.push(...under([name], checked.problems));
    return undefined;
  }
  const cluster = part("cluster", props.cluster, (input) => check(clusterSchema, input, checkCluster));
  const existingCluster = part("existingCluster", props.existingCluster, (input) =>
    check(existingClusterSchema, input, checkExistingCluster),
  );
  const { region } = cluster ?? existingCluster ?? {};
  const network = part("network", props.network ?? (props.cluster ? {} : undefined), (input) =>
    check(networkSchema, input, (value) => checkNetwork(value, { region })),
  );
  const { name } = cluster ?? existingCluster ?? {};
  const nodes = { kubernetesVersion: versionOf(props) };
  const nodeGroups = part("nodeGroups", props.nodeGroups, (input) =>
    checkEach(input, (groups) => checkNodeGroups(groups, nodes)),
  );
  const karpenter = part("karpenter", props.karpenter, (input) =>
    check(karpenterSchema, input, (value) => [
      ...checkKarpenter(value, nodes),
      ...(name === undefined ? [] : checkKarpenterNames(value, name)),
    ]),
  );
  const storage = part("storage", props.storage, (input) => check(checkpointStoreSchema, input));
  const imageRepository = part("imageRepository", props.imageRepository, (input) =>
    check(imageRepositorySchema, input),
  );
  part("tags", props.tags, (input) => check(tagsSchema, input));
  problems.push(...unknownKeys(props), ...checkTogether(props));
  if (cluster && network) problems.push(...checkAddressing(cluster, network));
  if (karpenter) problems.push(...checkIdentities(karpenter, { storage, imageRepository }));
  throwIfAny(subject, problems);
  return {
    cluster,
    existingCluster,
    network,
    nodeGroups: nodeGroups ?? [],
    karpenter,
    storage,
    imageRepository,
  };
}

/** Returns the cluster's version, also if the cluster has other problems, so that its nodes are checked. */
function versionOf({ cluster, existingCluster }: PlatformStackProps): string {
  const version: unknown = (cluster || existingCluster || {}).version;
  return KUBERNETES_MINORS.find((minor) => minor === version) ?? KUBERNETES_MINORS[0];
}

function checkEach(
  inputs: NonNullable<PlatformStackProps["nodeGroups"]>,
  crossCheck: (groups: readonly ResolvedNodeGroup[]) => Problem[],
): Checked<ResolvedNodeGroup[]> {
  if (!inputs) return { value: [] };
  const results = inputs.map((input) => check(nodeGroupSchema, input));
  const problems = results.flatMap((result, index) => under([index], result.problems ?? []));
  if (problems.length > 0) return { problems };
  const groups = results.flatMap((result) => (result.problems ? [] : [result.value]));
  const across = crossCheck(groups);
  return across.length > 0 ? { problems: across } : { value: groups };
}

/** All there are: the compiler refuses this if one is missing. */
const KNOWN: Readonly<Record<keyof PlatformStackProps, true>> = {
  cluster: true,
  existingCluster: true,
  network: true,
  nodeGroups: true,
  karpenter: true,
  storage: true,
  imageRepository: true,
  tags: true,
  backend: true,
};

/** Programs in JavaScript have no compiler that would refuse them. */
function unknownKeys(props: PlatformStackProps): Problem[] {
  const known = Object.keys(KNOWN);
  return Object.keys(props)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const meant = nearest(key, known);
      return {
        code: "unknown-key",
        path: [key],
        message: "is not a known property",
        allowed: known.join(", "),
        ...(meant === undefined ? {} : { remedy: `did you mean ${meant}?` }),
      };
    });
}

function checkTogether(props: PlatformStackProps): Problem[] {
  if (!props.cluster && !props.existingCluster) {
    return [
      {
        code: "missing",
        path: ["cluster"],
        message: "is required: the other parts belong to a cluster",
        allowed: "cluster, to make one, or existingCluster",
      },
    ];
  }
  if (props.cluster && props.existingCluster) {
    return [
      {
        code: "exclusive",
        path: ["existingCluster"],
        message: "cannot stand beside cluster",
        remedy: "leave one of them out",
      },
    ];
  }
  if (props.existingCluster && props.network) {
    return [
      {
        code: "exclusive",
        path: ["network"],
        message: "cannot be given for a cluster that exists already",
        remedy: "leave it out; existingCluster.subnetIds says where new nodes go",
      },
    ];
  }
  return [];
}

/** EKS allows one association per ServiceAccount, and Karpenter's controller has its own. */
function checkIdentities(
  { namespace, serviceAccount }: ResolvedKarpenter,
  { storage, imageRepository }: Pick<ResolvedPlatformStack, "storage" | "imageRepository">,
): Problem[] {
  const lists = {
    "storage.writers": storage?.writers,
    "storage.readers": storage?.readers,
    "imageRepository.writers": imageRepository?.writers,
    "imageRepository.pushers": imageRepository?.pushers,
    "imageRepository.checkers": imageRepository?.checkers,
  };
  return Object.entries(lists).flatMap(([path, accounts = []]) =>
    accounts.flatMap((account, index) =>
      account.namespace === namespace && account.serviceAccount === serviceAccount
        ? [
            {
              code: "second-identity",
              path: [...path.split("."), index],
              message: "is the ServiceAccount of Karpenter, which has a role of its own already",
              given: `${namespace}/${serviceAccount}`,
              allowed: "another ServiceAccount; EKS gives each one role",
            },
          ]
        : [],
    ),
  );
}
