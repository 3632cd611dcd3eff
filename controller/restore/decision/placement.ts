import { ARCHITECTURE_LABEL, RECORD } from "../../../api";
import { at, textAt, textsAt, type Json } from "../../../kube";
import type { ClusterState, Placement } from "./fit";

/** The RuntimeClasses and labels that admission adds. It removes no others, whatever a client writes into the record. */
export type Placements = Pick<ClusterState, "nodeSelector" | "methods">;

/** Returns what the pod lacks of a placement, as the record has it. */
export function addedTo(original: Json, { runtimeClass, nodeSelector }: Placement): Placement {
  const own = textsAt(original, "spec", "nodeSelector");
  return {
    ...(runtimeClass === undefined || classOf(original) !== undefined ? {} : { runtimeClass }),
    nodeSelector: Object.fromEntries(
      Object.entries(nodeSelector).filter(([key]) => !Object.hasOwn(own, key)),
    ),
  };
}

/**
 * Returns the pod without what an earlier call for it has added to its spec, by the record. So a later call decides on the
 * pod that its owner wrote and that other webhooks have changed.
 */
export function original(raw: Json, { nodeSelector, methods }: Placements): Json {
  const { runtimeClass, nodeSelector: added } = recorded(raw);
  const classes = [...methods.values()].flatMap(({ runtimeClasses }) => Object.values(runtimeClasses));
  const isOurs =
    runtimeClass !== undefined && classes.includes(runtimeClass) && classOf(raw) === runtimeClass;
  const labels = textsAt(raw, "spec", "nodeSelector");
  const known = [...Object.keys(nodeSelector), ARCHITECTURE_LABEL];
  const left = Object.entries(labels).filter(([key, value]) => !known.includes(key) || added[key] !== value);
  if (!isOurs && left.length === Object.keys(labels).length) return raw;
  const { runtimeClassName: before, ...spec } = at(raw, "spec") as Record<string, Json>;
  return {
    ...(raw as object),
    spec: {
      ...spec,
      ...(isOurs || before === undefined ? {} : { runtimeClassName: before }),
      nodeSelector: Object.fromEntries(left),
    },
  };
}

export function classOf(raw: Json): string | undefined {
  const name = textAt(raw, "spec", "runtimeClassName");
  return name === "" ? undefined : name;
}

function recorded(raw: Json): Placement {
  const text = textsAt(raw, "metadata", "annotations")[RECORD.placement];
  if (text === undefined) return { nodeSelector: {} };
  try {
    const record = JSON.parse(text) as Json;
    return { runtimeClass: textAt(record, "runtimeClass"), nodeSelector: textsAt(record, "nodeSelector") };
  } catch {
    // A client wrote it.
    return { nodeSelector: {} };
  }
}
