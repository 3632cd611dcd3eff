import { capabilitiesOf, type EngineCapabilities } from "../engines";
import { checkExpiry } from "../image-repository";
import { dnsSuffix } from "../region";
import { printable, under, type Problem } from "../schema/problem";
import { isToken } from "../schema/rule";
import type { Platform, ValidAreas } from "./schema";
import type { ServiceAccountSpec } from "../pod-identity";

/** Checks that the engine stores checkpoints in the platform's bucket. */
export function checkStorage(
  { storage, cluster, existingCluster }: ValidAreas,
  { storage: used }: EngineCapabilities,
): Problem[] {
  if (!storage || used.in !== "path" || isToken(used.location)) return [];
  const { location } = used;
  if (!location.startsWith("s3://")) return [];
  const path = ["engine", ...used.property];
  const given = printable(location);
  const bucket = "existingBucket" in storage ? storage.existingBucket : storage.bucket;
  if (bucket === undefined) {
    return [
      {
        code: "missing",
        path: ["storage", "bucket"],
        message: `is required: ${path.join(".")} is in a bucket`,
        allowed: `the bucket of ${location}`,
      },
    ];
  }
  const expected = `s3://${bucket}/${storage.prefix}`;
  const problems: Problem[] = [];
  if (
    !isToken(bucket) &&
    !isToken(storage.prefix) &&
    !`${location.replace(/\/$/, "")}/`.startsWith(expected)
  ) {
    problems.push({
      code: "storage-mismatch",
      path,
      message: "is not in the bucket and prefix of storage",
      given,
      allowed: `${expected} or below`,
    });
  }
  const region = (cluster ?? existingCluster)?.region;
  const isNew = !("existingBucket" in storage);
  const { name, property } = used.region;
  if (isNew && region !== undefined && name !== "" && name !== region) {
    problems.push({
      code: "storage-mismatch",
      path: ["engine", ...property],
      message: "is not the region of the bucket",
      given: printable(name),
      allowed: region,
    });
  }
  return problems;
}

/** Checks that the engine pushes to the platform's repository. */
export function checkRepository(areas: ValidAreas, capabilities: EngineCapabilities): Problem[] {
  const { imageRepository, cluster, existingCluster } = areas;
  const { storage } = capabilities;
  const { region } = cluster ?? existingCluster ?? {};
  const problems: Problem[] = [];
  if (!imageRepository || storage.in !== "registry" || isToken(storage.repository)) return problems;
  const { repository } = storage;
  const path = ["engine", ...storage.property];
  const given = printable(repository);
  const remedy = "use that repository here, or remove imageRepository";
  if (storage.namespaces === "all" && !("existingUrl" in imageRepository))
    problems.push({
      code: "namespaces-unknown",
      path: ["engine", "repositoryPerNamespace"],
      message: "needs a list of namespaces: ECR creates no repository at a push of the agents",
      given: "install.checkpoints.namespaces: all",
      remedy:
        "list the namespaces in install.checkpoints.namespaces, or create the repositories elsewhere and use imageRepository.existingUrl",
    });
  if ("existingUrl" in imageRepository) {
    if (!isToken(imageRepository.existingUrl) && repository !== imageRepository.existingUrl) {
      problems.push({
        code: "repository-mismatch",
        path,
        message: "is not the repository of imageRepository",
        given,
        allowed: imageRepository.existingUrl,
        remedy,
      });
    }
    return problems;
  }
  const [registry = "", ...parts] = repository.split("/");
  const name = parts.join("/");
  const [, hostRegion, suffix] =
    /^\d{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(?:\.cn)?)$/.exec(registry) ?? [];
  const isEcr = hostRegion !== undefined && suffix === dnsSuffix(hostRegion);
  const isHere = region === undefined || isToken(region) || hostRegion === region;
  if (name !== imageRepository.name || !isEcr || !isHere) {
    problems.push({
      code: "repository-mismatch",
      path,
      message: "is not the repository of imageRepository in the cluster's region",
      given,
      allowed: `<account>.dkr.ecr.${region ?? "<region>"}.${dnsSuffix(region ?? "")}/${imageRepository.name}`,
      remedy,
    });
  }
  return problems;
}

/** Checks that no rule of the platform's repository deletes a checkpoint because other workloads push. */
export function checkExpiryOfCheckpoints(
  { imageRepository }: ValidAreas,
  { storage }: EngineCapabilities,
): Problem[] {
  if (!imageRepository || !("name" in imageRepository)) return [];
  const { keepLast } = imageRepository;
  const problems = under(["imageRepository"], checkExpiry(imageRepository));
  if (keepLast === undefined || storage.in !== "registry") return problems;
  return [
    ...problems,
    {
      code: "deletes-checkpoints",
      path: ["imageRepository", "keepLast"],
      message: "would delete checkpoints that Checkpoint objects name, when other workloads push theirs",
      given: String(keepLast),
      remedy: "remove it to keep all checkpoints, or set expireDays to delete each one at the same age",
    },
  ];
}

/**
 * Returns the platform with access of the agents, and of a controller that deletes artifacts, to its ECR repository, by EKS Pod Identity. Accounts that the input
 * already lists are not added again.
 */
export function withAgentAccess(platform: Platform): Platform {
  const { engine, imageRepository, install } = platform;
  const capabilities = engine && install && capabilitiesOf(engine, install);
  const access = capabilities?.registryAccess;
  if (!imageRepository || !access) return platform;
  const { writers, pushers, pullers, checkers, deleters } = imageRepository;
  return {
    ...platform,
    imageRepository: {
      ...imageRepository,
      ...repositoriesFor(imageRepository, capabilities.storage),
      pushers: [...pushers, ...unlisted(access.pushers, [...writers, ...pushers])],
      pullers: [...pullers, ...unlisted(access.pullers, [...writers, ...pullers])],
      checkers: [...checkers, ...unlisted(access.checkers, [...writers, ...pushers, ...checkers])],
      deleters: [...deleters, ...unlisted(access.deleters ?? [], [...writers, ...deleters])],
    },
  };
}

/** Returns the repositories of namespaces to which the agents push. */
function repositoriesFor(
  imageRepository: NonNullable<Platform["imageRepository"]>,
  storage: EngineCapabilities["storage"],
) {
  const namespaces = storage.in === "registry" ? storage.namespaces : undefined;
  if (namespaces === undefined) return {};
  if ("existingUrl" in imageRepository) return { perNamespace: true };
  const listed = namespaces === "all" ? [] : namespaces;
  return { namespaces: [...new Set([...imageRepository.namespaces, ...listed])] };
}

function unlisted(
  accounts: readonly ServiceAccountSpec[],
  listed: readonly ServiceAccountSpec[],
): ServiceAccountSpec[] {
  return accounts.filter(
    ({ namespace, serviceAccount }) =>
      !listed.some((one) => one.namespace === namespace && one.serviceAccount === serviceAccount),
  );
}
