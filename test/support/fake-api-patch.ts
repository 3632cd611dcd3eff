import { applyPatch, type Operation } from "fast-json-patch";
import { ApiError, type Body } from "../../kube/client";

type Fields = Record<string, unknown>;

/** Returns the patched object. @throws ApiError as the API server does for an invalid patch */
export function patched(object: unknown, { type, content }: Body): unknown {
  switch (type) {
    case "application/json-patch+json":
      return byOperations(object, content as Operation[]);
    case "application/merge-patch+json":
    case "application/apply-patch+yaml":
      return merged(object, content);
    case "application/strategic-merge-patch+json":
      return strategic(object, content, "");
    default:
      throw new ApiError(415, `the body of the request was in an unknown format: ${type}`, {
        reason: "UnsupportedMediaType",
      });
  }
}

/** Applies a JSON Patch. A failed `test` and a missing path are both 422. */
function byOperations(object: unknown, operations: Operation[]): unknown {
  try {
    return applyPatch(structuredClone(object), structuredClone(operations), true).newDocument;
  } catch {
    throw new ApiError(422, "the server rejected our request due to an error in our request", {
      reason: "Invalid",
    });
  }
}

/** Applies a JSON Merge Patch (RFC 7396). */
function merged(object: unknown, patch: unknown): unknown {
  if (!isFields(patch)) return patch;
  const result: Fields = isFields(object) ? { ...object } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merged(result[name], value);
  }
  return result;
}

/** Lists that Kubernetes merges by item, and the key of their items. Other lists are replaced. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  "status.conditions": "type",
  "status.addresses": "type",
  "metadata.ownerReferences": "uid",
};

function strategic(object: unknown, patch: unknown, path: string): unknown {
  const mergeKey = MERGE_KEYS[path];
  if (mergeKey !== undefined && Array.isArray(patch))
    return keyed(Array.isArray(object) ? object : [], patch, mergeKey);
  if (path === "metadata.finalizers" && Array.isArray(patch))
    return [...new Set([...(Array.isArray(object) ? object : []), ...patch])];
  if (!isFields(patch)) return patch;
  const result: Fields = isFields(object) ? { ...object } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else if (!name.startsWith("$"))
      result[name] = strategic(result[name], value, path === "" ? name : `${path}.${name}`);
  }
  return result;
}

function keyed(items: readonly Fields[], patches: readonly Fields[], key: string): Fields[] {
  const result = [...items];
  for (const patch of patches) {
    const index = result.findIndex((item) => item[key] === patch[key]);
    const { $patch: directive, ...fields } = patch;
    if (directive === "delete") {
      if (index >= 0) result.splice(index, 1);
    } else if (index < 0) result.push(fields);
    else result[index] = merged(result[index], fields) as Fields;
  }
  return result;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
