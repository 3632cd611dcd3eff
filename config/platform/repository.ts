import { credentialsOf, registryOf } from "../engines";
import { agentNamespace, namesOf } from "../install";
import type { ServiceAccountSpec } from "../pod-identity";
import { printable, type Problem } from "../schema/problem";
import { isToken } from "../schema/token";
import type { ValidAreas } from "./areas";
import type { Platform } from "./schema";

/** Checks that the engine pushes to the platform's repository, and that nodes have the engine's container runtime. */
export function checkRepository({
  engine,
  imageRepository,
  cluster,
  existingCluster,
  given,
}: ValidAreas): Problem[] {
  if (engine?.kind !== "kubelet") return [];
  const problems: Problem[] = [];
  const { region } = cluster ?? existingCluster ?? {};
  if (region !== undefined && engine.runtime !== "containerd" && given.has("nodeGroups")) {
    problems.push({
      code: "unsupported-runtime",
      path: ["engine", "runtime"],
      message: "is not the container runtime of EKS nodes",
      given: engine.runtime,
      allowed: "containerd",
    });
  }
  if (!imageRepository || isToken(engine.repository)) return problems;
  const path = ["engine", "repository"];
  const written = printable(engine.repository);
  const remedy = "use that repository here, or remove imageRepository";
  if ("existingUrl" in imageRepository) {
    if (!isToken(imageRepository.existingUrl) && engine.repository !== imageRepository.existingUrl) {
      problems.push({
        code: "repository-mismatch",
        path,
        message: "is not the repository of imageRepository",
        given: written,
        allowed: imageRepository.existingUrl,
        remedy,
      });
    }
    return problems;
  }
  const name = engine.repository.slice(registryOf(engine).length + 1);
  const host = /^\d{12}\.dkr\.ecr(-fips)?\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$/.exec(registryOf(engine));
  if (name !== imageRepository.name || !host || (region !== undefined && host[2] !== region)) {
    problems.push({
      code: "repository-mismatch",
      path,
      message: "is not the repository of imageRepository in the cluster's region",
      given: written,
      allowed: `<account>.dkr.ecr.${region ?? "<region>"}.amazonaws.com/${imageRepository.name}`,
      remedy,
    });
  }
  return problems;
}

/**
 * Returns the platform with the agents' access to its ECR repository: the agent pushes, the health check reads, each with
 * a role of its own (EKS Pod Identity). An account that the input already lists is not added again.
 */
export function withAgentAccess(platform: Platform): Platform {
  const { engine, imageRepository, install } = platform;
  if (!imageRepository || !install || engine?.kind !== "kubelet" || credentialsOf(engine) !== "ecr") {
    return platform;
  }
  const namespace = agentNamespace(install);
  const { agentAccount, healthCheck } = namesOf(install);
  const { writers, pushers, checkers } = imageRepository;
  const unlessListed = (
    serviceAccount: string,
    listed: readonly ServiceAccountSpec[],
  ): ServiceAccountSpec[] =>
    listed.some((one) => one.namespace === namespace && one.serviceAccount === serviceAccount)
      ? []
      : [{ namespace, serviceAccount }];
  return {
    ...platform,
    imageRepository: {
      ...imageRepository,
      pushers: [...pushers, ...unlessListed(agentAccount, [...writers, ...pushers])],
      checkers: [...checkers, ...unlessListed(healthCheck, [...writers, ...pushers, ...checkers])],
    },
  };
}
