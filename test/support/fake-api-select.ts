import { ApiError } from "../../kube/client";
import type { Stored } from "./fake-api-objects";

/** Returns the filter of a list or watch: namespace, `labelSelector` and `fieldSelector`. */
export function selector(namespace: string | undefined, query: URLSearchParams): (object: Stored) => boolean {
  const tests = [
    ...requirements(query.get("labelSelector")).map(byLabel),
    ...requirements(query.get("fieldSelector")).map(byField),
  ];
  return (object) =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    tests.every((test) => test(object));
}

/** Splits a selector at commas outside of parentheses. */
function requirements(text: string | null): string[] {
  return (text ?? "").split(/,(?![^(]*\))/).filter((part) => part !== "");
}

function byLabel(text: string): (object: Stored) => boolean {
  const set = /^\s*(\S+)\s+(in|notin)\s+\(([^)]*)\)\s*$/.exec(text);
  if (set) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    return ({ metadata }) => values.includes(metadata.labels?.[key] ?? "\0") === (operator === "in");
  }
  const equal = /^\s*([^!=\s]+)\s*(==?|!=)\s*(\S*)\s*$/.exec(text);
  if (equal) {
    const [, key = "", operator, value] = equal;
    return ({ metadata }) => (metadata.labels?.[key] === value) === (operator !== "!=");
  }
  const exists = /^\s*(!?)\s*([^!=\s]+)\s*$/.exec(text);
  if (!exists) throw new ApiError(400, `unable to parse requirement: ${text}`, { reason: "BadRequest" });
  const [, not, key = ""] = exists;
  return ({ metadata }) => (metadata.labels?.[key] !== undefined) === (not === "");
}

function byField(text: string): (object: Stored) => boolean {
  const [, path = "", operator, value = ""] = /^([\w.]+)(==?|!=)(.*)$/.exec(text) ?? [];
  return (object) => {
    let found: unknown = object;
    for (const name of path.split(".")) found = (found as Record<string, unknown> | undefined)?.[name];
    return ((typeof found === "string" ? found : "") === value) === (operator !== "!=");
  };
}
