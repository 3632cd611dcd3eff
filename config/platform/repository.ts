import { credentialsOf, registryOf } from "../engines";
import { agentNamespace, namesOf } from "../install";
import type { ServiceAccountSpec } from "../pod-identity";
import type { Problem } from "../schema/problem";
import { printable } from "../schema/problem";
import type { RightAreas } from "./areas";
import type { Platform } from "./schema";

/** Whether images of checkpoints go where there is a repository for them, and nodes run what the engine can checkpoint. */
export function checkRepository({
  engine,
  imageRepository,
  cluster,
  existingCluster,
  given,
}: RightAreas): Problem[] {
  if (engine?.kind !== "kubelet") return [];
  const problems: Problem[] = [];
  const { region } = cluster ?? existingCluster ?? {};
  if (region !== undefined && engine.runtime !== "containerd" && given.has("nodeGroups")) {
    problems.push({
      code: "runtime-of-others",
      path: ["engine", "runtime"],
      message: "is not what nodes of EKS run their containers with",
      given: engine.runtime,
      allowed: "containerd",
    });
  }
  if (!imageRepository) return problems;
  const path = ["engine", "repository"];
  const written = printable(engine.repository);
  const remedy = "name that repository here, or leave imageRepository out";
  if ("existingUrl" in imageRepository) {
    if (engine.repository !== imageRepository.existingUrl) {
      problems.push({
        code: "repository-elsewhere",
        path,
        message: "is not the repository of imageRepository, where access is granted",
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
      code: "repository-elsewhere",
      path,
      message: "is not the repository of imageRepository, which is made in the region of the cluster",
      given: written,
      allowed: `<account>.dkr.ecr.${region ?? "<region>"}.amazonaws.com/${imageRepository.name}`,
      remedy,
    });
  }
  return problems;
}

/**
 * The repository with the accounts of the agents: they push to ECR, and ask whether it is there, with a role of their own (EKS
 * Pod Identity). One that has a right already, by the file, gets it once.
 */
export function repositoryWithAgents({
  engine,
  imageRepository,
  install,
}: Platform): Platform["imageRepository"] {
  if (!imageRepository || !install || engine?.kind !== "kubelet" || credentialsOf(engine) !== "ecr") {
    return imageRepository;
  }
  const namespace = agentNamespace(install);
  const { agentAccount, healthCheck } = namesOf(install);
  const { writers, pushers, checkers } = imageRepository;
  const more = (serviceAccount: string, given: readonly ServiceAccountSpec[]): ServiceAccountSpec[] =>
    given.some((one) => one.namespace === namespace && one.serviceAccount === serviceAccount)
      ? []
      : [{ namespace, serviceAccount }];
  return {
    ...imageRepository,
    pushers: [...pushers, ...more(agentAccount, [...writers, ...pushers])],
    checkers: [...checkers, ...more(healthCheck, [...writers, ...pushers, ...checkers])],
  };
}
