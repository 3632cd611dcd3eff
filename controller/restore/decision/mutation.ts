import { NOT_RESTORED, RECORD, RESTORED_FROM } from "../../../api/restore";
import { at, textsAt, type Json } from "../../../kube/runtime";
import type { Decision } from "./decide";

/** An operation of a JSON Patch (RFC 6902). */
export interface PatchOperation {
  readonly op: "add" | "remove" | "replace";
  readonly path: string;
  readonly value?: unknown;
}

/** Longest reason that is kept on a pod. */
const LONGEST = 1024;

/**
 * What a decision makes of the pod. What the pod carries of our own records is somebody else's, and is taken away.
 * @param claim which admission it is; undefined for a Checkpoint that pods share
 */
export function mutation(
  raw: Json,
  decision: Extract<Decision, { is: "restore" | "fresh" }>,
  claim: string | undefined,
): PatchOperation[] {
  const restored = decision.is === "restore";
  const uid = restored ? decision.checkpoint.metadata.uid : NOT_RESTORED;
  return [
    ...put(raw, ["metadata", "labels"], { [RESTORED_FROM]: uid }, []),
    ...put(raw, ["metadata", "annotations"], records(decision, claim), Object.values(RECORD)),
    ...(restored ? put(raw, ["spec", "nodeSelector"], decision.nodeSelector, []) : []),
    ...(restored ? decision.containers.flatMap(container) : []),
  ];
}

function container({ index, image }: { readonly index: number; readonly image: string }): PatchOperation[] {
  const path = `/spec/containers/${index}`;
  return [
    { op: "replace", path: `${path}/image`, value: image },
    // By digest it is the same image wherever it came from.
    { op: "add", path: `${path}/imagePullPolicy`, value: "IfNotPresent" },
  ];
}

function records(
  decision: Extract<Decision, { is: "restore" | "fresh" }>,
  claim: string | undefined,
): Record<string, string> {
  if (decision.is === "fresh") return { [RECORD.skipped]: decision.why.slice(0, LONGEST) };
  const originals = decision.containers.map(({ name, original }) => [name, original]);
  return {
    [RECORD.checkpoint]: decision.checkpoint.metadata.name,
    ...(claim === undefined ? {} : { [RECORD.claim]: claim }),
    [RECORD.originalImages]: JSON.stringify(Object.fromEntries(originals)),
  };
}

/** Sets entries of a map that may be missing; of `ours` none stays that is not set. */
function put(
  raw: Json,
  way: readonly string[],
  entries: Readonly<Record<string, string>>,
  ours: readonly string[],
): PatchOperation[] {
  const path = `/${way.join("/")}`;
  const before = textsAt(raw, ...way);
  const gone = ours.filter((key) => Object.hasOwn(before, key) && !Object.hasOwn(entries, key));
  const remove = gone.map((key): PatchOperation => ({ op: "remove", path: `${path}/${escaped(key)}` }));
  const all = Object.entries(entries);
  if (all.length === 0) return remove;
  const parent = at(raw, ...way);
  if (parent === undefined || parent === null) return [{ op: "add", path, value: entries }];
  return [
    ...remove,
    ...all.map(([key, value]): PatchOperation => ({ op: "add", path: `${path}/${escaped(key)}`, value })),
  ];
}

/** A name in a JSON Pointer (RFC 6901). */
const escaped = (name: string) => name.replaceAll("~", "~0").replaceAll("/", "~1");
