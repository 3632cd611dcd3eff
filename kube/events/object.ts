import type { Occurrence } from "./series";
import { microTime } from "../election/lease";
import { pathOf } from "../client/objects";

/** The program that tells, in each Event. */
export const REPORTING_CONTROLLER = "cedana.ai/controller";

/** Limits of the API server's validation of `events.k8s.io/v1`. */
const MAX_NOTE_BYTES = 1024;
const MAX_WORD = 128;

const EVENT = { apiVersion: "events.k8s.io/v1", plural: "events" };

/** Path of one Event, or of all where the occurrence belongs. */
export function eventPath({ event }: Occurrence, name?: string): string {
  return pathOf(EVENT, namespaceOf(event.regarding), name);
}

/** The Event object as it is first written. */
export function eventOf(occurrence: Occurrence, identity: string): object {
  const { regarding, type, reason, action, note } = occurrence.event;
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: occurrence.name, namespace: namespaceOf(regarding) },
    eventTime: microTime(occurrence.firstMs),
    reportingController: REPORTING_CONTROLLER,
    reportingInstance: identity.slice(0, MAX_WORD),
    type,
    reason: reason.slice(0, MAX_WORD),
    action: action.slice(0, MAX_WORD),
    regarding,
    note: cut(note),
    ...(occurrence.count > 1 && { series: seriesOf(occurrence) }),
  };
}

/** The part of the Event that changes when it happens again. */
export function seriesOf({ count, lastMs }: Occurrence): object {
  return { count, lastObservedTime: microTime(lastMs) };
}

function namespaceOf({ namespace }: { readonly namespace?: string }): string {
  return namespace ?? "default";
}

/** Whole characters of at most 1024 bytes. */
function cut(note: string): string {
  if (Buffer.byteLength(note) <= MAX_NOTE_BYTES) return note;
  const ellipsis = "…";
  let end = MAX_NOTE_BYTES - Buffer.byteLength(ellipsis);
  const bytes = Buffer.from(note);
  // Bytes 10xxxxxx continue a character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString() + ellipsis;
}
