import type { PlatformPolicy } from "../../../clients/cedana/platform";
import type { Entry } from "./record";

/** What the platform must have for a policy. */
export interface Wanted {
  readonly namespace: string;
  readonly name: string;
  /** `heartbeat_time`. */
  readonly heartbeat: number;
}

/**
 * The next step for a policy.
 * - `create`, `update`, `delete`: a request to the platform
 * - `adopt`: the response to the creation was lost, and this is its result
 * - `forget`: the copy no longer exists
 * - `wait`: the creation may still be executed
 * - `unknown`: one of these policies may be the copy
 * - `drifted`: the copy was changed or deleted in the platform
 * - `inSync`: the copy is as it must be
 */
export type Step =
  | { readonly do: "create" }
  | { readonly do: "update"; readonly id: string }
  | { readonly do: "delete"; readonly id: string }
  | { readonly do: "adopt"; readonly id: string }
  | { readonly do: "forget" }
  | { readonly do: "wait"; readonly untilMs: number }
  | { readonly do: "unknown"; readonly ids: readonly string[] }
  | { readonly do: "drifted"; readonly id: string; readonly message: string }
  | { readonly do: "inSync"; readonly copy: PlatformPolicy };

export interface PlanInput {
  readonly entry: Entry | undefined;
  /** Undefined: the platform must have no copy. */
  readonly wanted: Wanted | undefined;
  /** Policies in the platform. */
  readonly listed: ReadonlyMap<string, PlatformPolicy>;
  /** Whether an id is of another entry. */
  readonly isOwned: (id: string) => boolean;
  readonly drift: "report" | "correct";
  readonly nowMs: number;
}

/** Time after which a creation without a response has been executed or never will be. Requests end after 30 s. */
export const SETTLE_MS = 120_000;
/** How far the clock of the process that began may be ahead. */
const MAX_SKEW_MS = 120_000;

/** Returns the next step. It changes only policies that an entry names, or that its creation may have created. */
export function nextStep(input: PlanInput): Step {
  const { entry, wanted, listed, drift } = input;
  if (!entry) return wanted ? { do: "create" } : { do: "forget" };
  const { id } = entry;
  if (id === undefined) return afterCreation(entry, input);
  const copy = listed.get(id);
  if (!wanted || entry.deleting) return copy ? { do: "delete", id } : { do: "forget" };
  if (!copy)
    return drift === "correct"
      ? { do: "create" }
      : {
          do: "drifted",
          id,
          message: `the platform no longer has policy ${id}: nothing executes this one`,
        };
  if (wanted.heartbeat !== entry.heartbeat) return { do: "update", id };
  const differences = differencesOf(copy, wanted);
  if (differences.length === 0) return { do: "inSync", copy };
  if (drift === "correct") return { do: "update", id };
  return {
    do: "drifted",
    id,
    message: `policy ${id} was changed in the platform: ${differences.join(", ")}`,
  };
}

/** Returns the step for a creation that may have been executed: its response was lost, or the process ended before it recorded the id. */
function afterCreation(entry: Entry, { wanted, listed, isOwned, nowMs }: PlanInput): Step {
  const { creating } = entry;
  const known = new Set(creating?.known);
  const candidates = [...listed.values()].filter(
    (one) => !known.has(one.id) && !isOwned(one.id) && isLike(one, entry),
  );
  const [found, ...others] = candidates;
  if (found && others.length === 0 && found.resources.includes(entry.namespace))
    return { do: "adopt", id: found.id };
  if (found) return { do: "unknown", ids: candidates.map((one) => one.id) };
  const untilMs = Date.parse(creating?.at ?? "") + SETTLE_MS;
  // If the clock was set back since, this would never end.
  if (nowMs < untilMs && untilMs - nowMs <= SETTLE_MS + MAX_SKEW_MS) return { do: "wait", untilMs };
  return wanted ? { do: "create" } : { do: "forget" };
}

/** Whether a policy may be the copy. Its selection is compared later, because it is not certain how the platform writes it. */
function isLike({ type, resource, heartbeat }: PlatformPolicy, wanted: Wanted): boolean {
  return type === "heartbeat" && resource === "namespace" && heartbeat === wanted.heartbeat;
}

/** Describes how a copy differs from what the platform must have. */
export function differencesOf(copy: PlatformPolicy, { heartbeat, namespace }: Wanted): readonly string[] {
  const pairs: readonly (readonly [name: string, given: Value, wanted: Value])[] = [
    ["policy_type", copy.type, "heartbeat"],
    ["resource", copy.resource, "namespace"],
    ["resource_list", copy.resources.join(" "), namespace],
    ["input", copy.heartbeat, heartbeat],
  ];
  return pairs
    .filter(([, given, wanted]) => given !== wanted)
    .map(([name, given, wanted]) => `${name} is ${textOf(given)} instead of ${textOf(wanted)}`);
}

type Value = string | number | undefined;

function textOf(value: Value): string {
  const text = value === undefined || value === "" ? "missing" : String(value);
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}
