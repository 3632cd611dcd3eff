import { ApiError } from "../../kube/client";

/** Target of an API path. */
export interface Target {
  /** Path of the collection in all namespaces, such as `/api/v1/pods` or `/apis/apps/v1/daemonsets`. */
  readonly collection: string;
  readonly apiVersion: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
  readonly query: URLSearchParams;
}

/** Parses an API path. @throws ApiError 404 if it is not the path of a resource */
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

/** Checks whether a group is built in: items of its lists have no `kind` and `apiVersion`. */
export function isBuiltIn(apiVersion: string): boolean {
  const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
  return !group.includes(".") || group.endsWith(".k8s.io");
}
