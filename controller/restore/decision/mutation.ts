import { NOT_RESTORED, RECORD, RESTORED_FROM } from "../../../api";
import { at, pointer, textsAt, type Json, type JsonPatchOperation } from "../../../kube";
import type { Decision } from "./decide";
import type { Placement } from "./fit";
import { addedTo, classOf, original, type Placements } from "./placement";

/** Maximum length of the reason in an annotation. */
const LONGEST = 1024;

type Carried = Extract<Decision, { is: "restore" | "fresh" | "deny" }>;

/**
 * Returns the patch that carries out a decision. It undoes what an earlier call for the pod has done, and removes
 * annotations of earlier decisions that a client copied. A pod that must not start fresh gets no label: a policy rejects it,
 * unless another webhook changes it so that a later call restores it.
 * @param claim UID of the admission request, if it is recorded on a Checkpoint: not of one that pods share
 * @param placements what an earlier call can have added
 */
export function mutation(
  raw: Json,
  decision: Carried,
  claim: string | undefined,
  placements: Placements,
): JsonPatchOperation[] {
  const before = original(raw, placements);
  const placement = decision.is === "restore" ? decision.placement : { nodeSelector: {} };
  const added = addedTo(before, placement);
  const labels = textsAt(raw, "spec", "nodeSelector");
  const kept = textsAt(before, "spec", "nodeSelector");
  const outdated = Object.keys(labels).filter((key) => !Object.hasOwn(kept, key));
  return [
    ...put(raw, ["metadata", "labels"], labelsOf(decision), [RESTORED_FROM]),
    ...put(raw, ["metadata", "annotations"], records(decision, claim, added), Object.values(RECORD)),
    ...runtimeClass(raw, added.runtimeClass ?? classOf(before)),
    ...put(raw, ["spec", "nodeSelector"], added.nodeSelector, outdated),
  ];
}

function labelsOf(decision: Carried): Record<string, string> {
  switch (decision.is) {
    case "restore":
      return { [RESTORED_FROM]: decision.checkpoint.metadata.uid };
    case "fresh":
      return { [RESTORED_FROM]: NOT_RESTORED };
    default:
      return {};
  }
}

function runtimeClass(raw: Json, name: string | undefined): JsonPatchOperation[] {
  const path = "/spec/runtimeClassName";
  if (classOf(raw) === name) return [];
  return name === undefined ? [{ op: "remove", path }] : [{ op: "add", path, value: name }];
}

function records(decision: Carried, claim: string | undefined, added: Placement): Record<string, string> {
  const claimed: Record<string, string> = claim === undefined ? {} : { [RECORD.claim]: claim };
  if (decision.is !== "restore")
    return { ...claimed, [RECORD.skipped]: oneLine(decision.reason).slice(0, LONGEST) };
  const { name, uid } = decision.checkpoint.metadata;
  return {
    [RECORD.plan]: uid,
    [RECORD.checkpoint]: name,
    ...claimed,
    [RECORD.containers]: decision.containers.join(),
    [RECORD.placement]: JSON.stringify(added),
  };
}

/** The policy's message has the reason, and must be one line. */
const oneLine = (text: string) => text.replaceAll(/\s+/g, " ");

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
