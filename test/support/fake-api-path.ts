import { ApiError } from "../../kube/client";

/** What a path of the API addresses. */
export interface Target {
  /** `/api/v1/pods`, `/apis/apps/v1/daemonsets`: objects of all namespaces. */
  readonly collection: string;
  readonly apiVersion: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
  readonly query: URLSearchParams;
}

/** @throws ApiError 404 for what is no path of a resource */
export function parsePath(path: string, query: Readonly<Record<string, string>> = {}): Target {
  const url = new URL(path, "https://fake");
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const [root, ...parts] = url.pathname.split("/").filter(Boolean).map(decodeURIComponent);
  const version = root === "api" ? parts.splice(0, 1) : root === "apis" ? parts.splice(0, 2) : [];
  const namespaced = parts[0] === "namespaces" && parts.length >= 3 && parts[2] !== "status";
  const namespace = namespaced ? parts[1] : undefined;
  const [resource, name, subresource, ...rest] = namespaced ? parts.slice(2) : parts;
  if (resource === undefined || rest.length > 0 || version.length === 0)
    throw new ApiError(404, `the server could not find the requested resource ${path}`, {
      reason: "NotFound",
    });
  return {
    collection: `/${[root, ...version, resource].join("/")}`,
    apiVersion: version.join("/"),
    namespace,
    name,
    subresource,
    query: url.searchParams,
  };
}

/** Kubernetes' own kinds come without `kind` and `apiVersion` in lists. */
export function isBuiltIn(apiVersion: string): boolean {
  const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
  return !group.includes(".") || group.endsWith(".k8s.io");
}
