import type * as cel from "@marcbachmann/cel-js";
import type { Schema, ValidationRule } from "../../api";
import { quantityBytes } from "../schema/quantity";
import { library } from "./library";

/** A name for `matches`, whose implementation by the library knows no flags such as (?i). */
const MATCHES = "_match_";

let environment: cel.Environment | undefined;
const compiled = new Map<string, (variables: object) => unknown>();

function compile(text: string): (variables: object) => unknown {
  environment ??= new (library().Environment)()
    .registerVariable("self", "dyn")
    .registerFunction(`string.${MATCHES}(string): bool`, (value: string, pattern: string) =>
      pattern.startsWith("(?i)")
        ? new RegExp(pattern.slice(4), "i").test(value)
        : new RegExp(pattern).test(value),
    )
    // Of Kubernetes' own library, what the rules use. A quantity is a number.
    .registerFunction("string.findAll(string): list<string>", (value: string, pattern: string) =>
      Array.from(value.matchAll(new RegExp(pattern, "g")), ([text]) => text),
    )
    .registerFunction("quantity(string): double", quantityBytes)
    .registerFunction("double.isLessThan(double): bool", (a: number, b: number) => a < b);
  const known = compiled.get(text);
  if (known) return known;
  const evaluate = environment.parse(text.replaceAll(".matches(", `.${MATCHES}(`));
  compiled.set(text, evaluate);
  return evaluate;
}

/**
 * Checks whether a value satisfies a validation rule of a kind of this project, as the API server does when it is created. An error
 * of the evaluation, such as a time zone that does not exist, breaks the rule. Rules about changes (`oldSelf`) are satisfied.
 */
export function satisfies({ rule }: ValidationRule, value: unknown): boolean {
  if (rule.includes("oldSelf")) return true;
  const evaluate = compile(rule);
  try {
    return evaluate({ self: toCel(value) }) === true;
  } catch {
    return false;
  }
}

/** Converts JSON: integers of CEL are BigInts. */
function toCel(value: unknown): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(toCel);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .map(([name, one]) => [name, toCel(one)]),
  );
}

/** Returns the rules of a schema, without those of its fields. */
export function rulesOf(schema: Schema): readonly ValidationRule[] {
  return schema["x-kubernetes-validations"] ?? [];
}
