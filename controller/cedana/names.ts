import { createHash } from "node:crypto";
import { AUTOMATION_GROUP } from "../../api";
import type { CedanaObject } from "../checkpoints/objects";

/** Annotation with what a Pending Cedana waits for. Written in the same patch as the method. */
export const OPERATION = `${AUTOMATION_GROUP}/operation`;

/** What a Pending Cedana waits for. */
export type Operation = { readonly is: "checkpoint"; readonly name: string } | { readonly is: "restore" };

/** Names have at most 253 characters. */
const MAX_PREFIX = 230;

/** Name of the Checkpoint for one wish: the same wish always gets the same, another generation another. */
export function childName({ metadata: { name, uid, generation } }: CedanaObject): string {
  const hash = createHash("sha256").update(`${uid}/${generation}`).digest("hex").slice(0, 10);
  return `${name.slice(0, MAX_PREFIX).replace(/[.-]+$/, "")}-${hash}`;
}

export function operationText(operation: Operation): string {
  return operation.is === "checkpoint" ? `checkpoint/${operation.name}` : "restore";
}

export function operationOf({ metadata }: CedanaObject): Operation | undefined {
  const text = metadata.annotations[OPERATION] ?? "";
  if (text === "restore") return { is: "restore" };
  const [, name] = /^checkpoint\/(.+)$/.exec(text) ?? [];
  return name === undefined ? undefined : { is: "checkpoint", name };
}
