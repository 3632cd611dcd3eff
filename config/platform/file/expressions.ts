import { printable, type Problem, type PropertyPath } from "../../schema/problem";

/** Areas whose text is part of the Terraform configuration. */
const AREAS = [
  "cluster",
  "existingCluster",
  "network",
  "nodeGroups",
  "karpenter",
  "storage",
  "imageRepository",
  "terraform",
];

/** Properties of node groups that are part of the user data, which Terraform gets in base64. */
const USER_DATA = [
  "containerd",
  "featureGates",
  "instance",
  "kubelet",
  "postNodeadm",
  "preNodeadm",
  "sysctls",
];

/** Matches the start of a template of Terraform. `$${` and `%%{` are the text `${` and `%{`. */
const TEMPLATE = /(?<!\$)\$\{|(?<!%)%\{/;

/**
 * Rejects Terraform expressions in the data of a file, which is not a Terraform program: `terraform apply` would evaluate
 * them. Text that Terraform does not read, such as scripts of nodes, may contain `${`.
 */
export function checkExpressions(data: unknown): Problem[] {
  if (typeof data !== "object" || data === null) return [];
  const areas = Object.entries(data).filter(([area]) => AREAS.includes(area));
  return areas.flatMap(([area, value]) => problemsIn(value, [area]));
}

function problemsIn(value: unknown, path: PropertyPath): Problem[] {
  if (typeof value === "string") return TEMPLATE.test(value) ? [expression(value, path)] : [];
  if (typeof value !== "object" || value === null || !isRead(path)) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const itemPath = [...path, Array.isArray(value) ? Number(key) : key];
    return [...(TEMPLATE.test(key) ? [expression(key, itemPath)] : []), ...problemsIn(item, itemPath)];
  });
}

/** Returns whether Terraform reads the value at the path. Karpenter reads the node pools. */
function isRead([area, first, second, ...rest]: PropertyPath): boolean {
  if (area === "karpenter") return first !== "nodePools";
  return !(area === "nodeGroups" && rest.length === 0 && USER_DATA.includes(String(second)));
}

function expression(text: string, path: PropertyPath): Problem {
  return {
    code: "terraform-expression",
    path,
    message: "contains a Terraform expression, which is only valid in programs",
    given: printable(text),
    remedy: "write $${ for the text ${, and %%{ for %{",
  };
}
