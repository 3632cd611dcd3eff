/** Rejects values that neither YAML nor JSON can write. */
import { printable, type Problem, type PropertyPath } from "./problem";

/** Matches NUL, which neither YAML files nor Terraform can hold, and halves of surrogate pairs, which UTF-8 cannot encode. */
const UNWRITABLE = /[\0\p{Surrogate}]/u;

type Visit = (value: unknown, path: PropertyPath) => Problem[];

/**
 * Checks that an input is plain data at any depth, also in free-form values: mappings and lists of text, finite numbers, true,
 * false and null. Accepts absent properties of mappings, and objects that cdktf or cdk8s resolve.
 */
export function checkPlainData(input: unknown): Problem[] {
  const ancestors = new Set<object>();
  const visited = new WeakSet<object>();
  const visit: Visit = (value, path) => {
    const problem = checkValue(value, path);
    if (problem) return [problem];
    if (typeof value !== "object" || value === null || isResolvable(value)) return [];
    if (ancestors.has(value)) return [notData(path, "contains itself", value, "data without cycles")];
    if (visited.has(value)) return [];
    visited.add(value);
    ancestors.add(value);
    const problems = Object.entries(value).flatMap(([key, item]) => {
      const itemPath = [...path, Array.isArray(value) ? Number(key) : key];
      if (UNWRITABLE.test(key)) return [unwritable(itemPath, key)];
      const isHole = item === undefined && Array.isArray(value);
      return isHole ? [notData(itemPath, "is not data", item, DATA)] : visit(item, itemPath);
    });
    ancestors.delete(value);
    return problems;
  };
  return visit(input, []);
}

/** Checks a single value, without its items. */
function checkValue(value: unknown, path: PropertyPath): Problem | undefined {
  switch (typeof value) {
    case "string":
      return UNWRITABLE.test(value) ? unwritable(path, value) : undefined;
    case "number":
      return Number.isFinite(value) ? undefined : notData(path, "is not a finite number", value, "a number");
    case "bigint":
    case "function":
    case "symbol":
      return notData(path, "is not data", value, DATA);
    case "object":
      return isPlain(value) ? undefined : notData(path, "is not data", value, DATA);
    default:
      return undefined;
  }
}

const DATA = "a mapping, list, string, number, true or false";

function isPlain(value: object | null): boolean {
  return !(
    value instanceof Map ||
    value instanceof Set ||
    value instanceof Date ||
    value instanceof RegExp ||
    value instanceof Promise ||
    value instanceof ArrayBuffer ||
    ArrayBuffer.isView(value)
  );
}

/** Returns whether a framework resolves the object later, as the tokens of cdktf and cdk8s. */
function isResolvable(value: object): boolean {
  return "resolve" in value && typeof value.resolve === "function";
}

function unwritable(path: PropertyPath, text: string): Problem {
  const allowed = "text without NUL and without halves of surrogate pairs";
  return notData(path, "contains a character that files cannot hold", text, allowed);
}

function notData(path: PropertyPath, message: string, value: unknown, allowed: string): Problem {
  return { code: "not-data", path, message, given: printable(value), allowed };
}
