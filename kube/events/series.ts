import { randomBytes } from "node:crypto";
import { microTime } from "../election/lease";
import { BoundedMap } from "../bounded-map";
import { pathOf } from "../client/objects";

/** reportingController of all Events. */
export const REPORTING_CONTROLLER = "cedana.ai/controller";

/** Limits of the API server's validation of `events.k8s.io/v1`. */
const MAX_NOTE_BYTES = 1024;
const MAX_WORD = 128;

const EVENT = { apiVersion: "events.k8s.io/v1", plural: "events" };

/** Returns the path of an Event, or without a name of all Events in the namespace of the occurrence. */
export function eventPath({ event }: Occurrence, name?: string): string {
  return pathOf(EVENT, namespaceOf(event.regarding), name);
}

/** Returns the Event object for the first write. */
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
    note: truncate(note),
    ...(occurrence.count > 1 && { series: seriesOf(occurrence) }),
  };
}

/** Returns the field of the Event that changes with each repetition. */
export function seriesOf({ count, lastMs }: Occurrence): object {
  return { count, lastObservedTime: microTime(lastMs) };
}

function namespaceOf({ namespace }: { readonly namespace?: string }): string {
  return namespace ?? "default";
}

/** Truncates a note to 1024 bytes, without splitting a character. */
function truncate(note: string): string {
  if (Buffer.byteLength(note) <= MAX_NOTE_BYTES) return note;
  const ellipsis = "…";
  let end = MAX_NOTE_BYTES - Buffer.byteLength(ellipsis);
  const bytes = Buffer.from(note);
  // Bytes 10xxxxxx continue a character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString() + ellipsis;
}

/** An event of an object, as `kubectl describe` shows it. */
export interface EventInput {
  readonly regarding: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    /** Missing for cluster-scoped objects, whose events are in the namespace default. */
    readonly namespace?: string;
    /** Missing if it is not known. */
    readonly uid?: string;
  };
  readonly type: "Normal" | "Warning";
  /** Why, in CamelCase; at most 128 characters. */
  readonly reason: string;
  /** What was done or failed, in CamelCase; at most 128 characters. */
  readonly action: string;
  /** Message for people, truncated to 1024 bytes. */
  readonly note: string;
}

/** Limits of client-go's event correlator. */
const WINDOW_MS = 600_000;
const MAX_SIMILAR = 10;
const BURST = 25;
const REFILL_MS = 300_000;
const MAX_ENTRIES = 4_096;

/** One Event object: a single event, or a series of its repetitions. */
export class Occurrence {
  count = 1;
  /** Whether the API server has stored it. */
  written = false;
  name: string;

  constructor(
    readonly event: EventInput,
    readonly firstMs: number,
    public lastMs = firstMs,
  ) {
    this.name = nameOf(event);
  }

  /** Makes the next write create a new Event object. */
  renew(): void {
    this.name = nameOf(this.event);
    this.written = false;
  }
}

/** Assigns events to Event objects, as client-go does: combines repetitions and similar events, and enforces a budget. */
export class EventSeries {
  private readonly occurrences = new BoundedMap<Occurrence>(MAX_ENTRIES);
  private readonly notes = new BoundedMap<{ readonly seen: Set<string>; lastMs: number }>(MAX_ENTRIES);
  private readonly budgets = new BoundedMap<{ tokens: number; atMs: number }>(MAX_ENTRIES);

  /** Adds an event. @returns undefined if the object's budget is used up: 25 events at once, then one in 5 minutes */
  take(event: EventInput, now: number): Occurrence | undefined {
    const { regarding, type, reason, action, note } = event;
    const object = [regarding.kind, regarding.namespace, regarding.name, regarding.uid];
    if (!this.spend(JSON.stringify(object), now)) return undefined;
    const similar = JSON.stringify([...object, type, reason, action]);
    const combined = this.isCombined(similar, note, now);
    const key = combined ? similar : `${similar} ${note}`;
    const known = this.occurrences.get(key);
    if (known && now - known.lastMs < WINDOW_MS) {
      known.count++;
      known.lastMs = now;
      return this.occurrences.set(key, known);
    }
    const text = combined ? `(combined from similar events): ${note}` : note;
    return this.occurrences.set(key, new Occurrence({ ...event, note: text }, now));
  }

  /** Checks whether 10 other events within 10 minutes differ from this one only by their notes. */
  private isCombined(similar: string, note: string, now: number): boolean {
    const known = this.notes.get(similar);
    const fresh = known && now - known.lastMs < WINDOW_MS ? known : { seen: new Set<string>(), lastMs: now };
    fresh.lastMs = now;
    this.notes.set(similar, fresh);
    if (fresh.seen.has(note)) return false;
    if (fresh.seen.size >= MAX_SIMILAR) return true;
    fresh.seen.add(note);
    return false;
  }

  /** Spends one event of the budget. @returns false if it is used up */
  private spend(object: string, now: number): boolean {
    const { tokens, atMs } = this.budgets.get(object) ?? { tokens: BURST, atMs: now };
    const left = Math.min(BURST, tokens + (now - atMs) / REFILL_MS);
    this.budgets.set(object, { tokens: left >= 1 ? left - 1 : left, atMs: now });
    return left >= 1;
  }
}

const MAX_NAME = 253;

/** Returns a unique name of an Event, which is a DNS subdomain. */
function nameOf({ regarding }: EventInput): string {
  const suffix = randomBytes(8).toString("hex");
  const start = regarding.name.slice(0, MAX_NAME - suffix.length - 1).replace(/[^a-z0-9]+$/, "");
  return `${start}.${suffix}`;
}
