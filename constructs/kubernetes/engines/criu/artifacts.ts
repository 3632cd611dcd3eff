/** Policies that keep pods from naming a checkpoint as an image: it is used only through a claim of the restore's webhook. */
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { REQUEST } from "../../../../api";
import type { ResolvedCriuEngine } from "../../../../config/engines";
import { namesOf, type ResolvedInstall } from "../../../../config/install";
import { admissionPolicy, optionalAt, text, WORKLOADS, type Rule, type Workload } from "../../admission";

/** Ephemeral containers are added to an existing pod. */
const EPHEMERAL: Rule = {
  apiGroups: [""],
  apiVersions: ["v1"],
  resources: ["pods/ephemeralcontainers"],
  operations: ["UPDATE"],
  scope: "Namespaced",
};

/**
 * Returns policies and bindings for all namespaces: pods are rejected, and the authors of templates are warned. An image volume
 * (`volumes[].image`) could show the memory of processes to a pod, whatever its author may restore, because nodes pull with
 * the permissions of their own role.
 */
export function artifactPolicies(
  scope: Construct,
  { repository, repositoryPerNamespace }: ResolvedCriuEngine,
  install: ResolvedInstall,
): ApiObject[] {
  const name = namesOf(install).artifacts;
  const message = `images of the repository ${repository} are checkpoints, which no pod may name: request a restore by the annotation ${REQUEST.from}`;
  return WORKLOADS.flatMap((workload) => {
    const isPod = workload.id === "pods";
    return admissionPolicy(scope, install, {
      id: `artifacts-${workload.id}`,
      name: `${name}-${workload.id}`,
      rules: isPod ? [...workload.rules, EPHEMERAL] : workload.rules,
      action: isPod ? "Deny" : "Warn",
      variables: [
        { name: "images", expression: imagesIn("object", workload) },
        // An existing pod can still be changed and deleted.
        {
          name: "imagesBefore",
          expression: `request.operation == 'UPDATE' ? ${imagesIn("oldObject", workload)} : []`,
        },
        {
          name: "checkpoints",
          expression: `variables.images.filter(image, image.matches(${text(imageOf(repository, repositoryPerNamespace))}) && !(image in variables.imagesBefore))`,
        },
      ],
      validations: [
        {
          expression: "variables.checkpoints == []",
          message,
          messageExpression: `variables.checkpoints[0] + ${text(`: ${message}`)}`,
          reason: "Forbidden",
        },
      ],
    });
  });
}

/** Returns all images of a pod: of its containers and volumes. */
function imagesIn(root: string, { path }: Workload): string {
  const items = (field: string, image: readonly string[]) =>
    `${optionalAt(root, [...path, "spec", field])}.orValue([]).map(one, ${optionalAt("one", image)}.orValue(''))`;
  return [
    ...["containers", "initContainers", "ephemeralContainers"].map((field) => items(field, ["image"])),
    items("volumes", ["image", "reference"]),
  ].join(" + ");
}

/**
 * Returns the pattern of the images of a repository in any registry: one registry has several names, as with its default
 * port, in upper case, as a mirror, or the dual-stack name of ECR.
 * @param perNamespace whether `<repository>/<namespace>` are repositories of checkpoints too
 */
export function imageOf(repository: string, perNamespace = false): string {
  const [first = "", ...rest] = repository.split("/");
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  const path = hasHost ? rest.join("/") : repository;
  // Docker Hub has its official images also without this directory.
  const short = path.startsWith("library/")
    ? `(library/)?${quote(path.slice("library/".length))}`
    : quote(path);
  const below = perNamespace ? `(/${DNS_LABEL})?` : "";
  return `^(([^/]*[.:][^/]*|localhost)/)?${short}${below}([:@].*)?$`;
}

/** A namespace. */
const DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const quote = (path: string) => path.replaceAll(".", "[.]");
