import { NOT_RESTORED, RECORD, RESTORED_FROM } from "../../../api";
import { at, pointer, textsAt, type Json, type JsonPatchOperation } from "../../../kube";
import type { Decision } from "./decide";

/** Maximum length of the reason in an annotation. */
const LONGEST = 1024;

/**
 * Returns the patch that carries out a decision. It removes annotations of earlier decisions that a client copied.
 * @param claim UID of the admission request; undefined for a Checkpoint that pods share
 */
export function mutation(
  raw: Json,
  decision: Extract<Decision, { is: "restore" | "fresh" }>,
  claim: string | undefined,
): JsonPatchOperation[] {
  const restored = decision.is === "restore";
  const uid = restored ? decision.checkpoint.metadata.uid : NOT_RESTORED;
  return [
    ...put(raw, ["metadata", "labels"], { [RESTORED_FROM]: uid }, []),
    ...put(raw, ["metadata", "annotations"], records(decision, claim), Object.values(RECORD)),
    ...(restored ? [restoreBy(decision.runtimeClass)] : []),
  ];
}

function restoreBy(runtimeClass: string): JsonPatchOperation {
  return { op: "add", path: "/spec/runtimeClassName", value: runtimeClass };
}

function records(
  decision: Extract<Decision, { is: "restore" | "fresh" }>,
  claim: string | undefined,
): Record<string, string> {
  if (decision.is === "fresh") return { [RECORD.skipped]: decision.reason.slice(0, LONGEST) };
  const { name, uid } = decision.checkpoint.metadata;
  return {
    [RECORD.plan]: uid,
    [RECORD.checkpoint]: name,
    ...(claim === undefined ? {} : { [RECORD.claim]: claim }),
    [RECORD.containers]: decision.containers.join(),
  };
}

/** Sets entries of a map that may be missing; removes those of `ours` that are not set. */
function put(
  raw: Json,
  names: readonly string[],
  entries: Readonly<Record<string, string>>,
  ours: readonly string[],
): JsonPatchOperation[] {
  const before = textsAt(raw, ...names);
  const outdated = ours.filter((key) => Object.hasOwn(before, key) && !Object.hasOwn(entries, key));
  const remove = outdated.map((key): JsonPatchOperation => ({ op: "remove", path: pointer(...names, key) }));
  const all = Object.entries(entries);
  if (all.length === 0) return remove;
  const parent = at(raw, ...names);
  if (parent === undefined || parent === null)
    return [{ op: "add", path: pointer(...names), value: entries }];
  return [
    ...remove,
    ...all.map(([key, value]): JsonPatchOperation => ({ op: "add", path: pointer(...names, key), value })),
  ];
}
