import { randomBytes } from "node:crypto";
import { microTime } from "../election/lease";
import { pathOf } from "../client/objects";

/** reportingController of all Events. */
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

/** One thing that happened to an object, as `kubectl describe` is to show it. */
export interface EventInput {
  readonly regarding: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    /** Left out for cluster-scoped objects: their events are in the namespace default. */
    readonly namespace?: string;
    readonly uid: string;
  };
  readonly type: "Normal" | "Warning";
  /** Why, in CamelCase; at most 128 characters. */
  readonly reason: string;
  /** What was done or failed, in CamelCase; at most 128 characters. */
  readonly action: string;
  /** For a reader; cut at 1024 bytes. */
  readonly note: string;
}

/** Numbers of client-go's event correlator. */
const WINDOW_MS = 600_000;
const MAX_LIKE = 10;
const BURST = 25;
const REFILL_MS = 300_000;
const MAX_REMEMBERED = 4_096;

/** One Event object: a thing that happened once, or a series of it. */
export class Occurrence {
  count = 1;
  /** Whether the API server has it. */
  written = false;
  name: string;

  constructor(
    readonly event: EventInput,
    readonly firstMs: number,
    public lastMs = firstMs,
  ) {
    this.name = nameOf(event);
  }

  /** It is to be written as another Event object. */
  renew(): void {
    this.name = nameOf(this.event);
    this.written = false;
  }
}

/** Decides which Event object an event belongs to, as client-go does: same, like others, or one too many. */
export class EventSeries {
  private readonly occurrences = new Remembered<Occurrence>();
  private readonly notes = new Remembered<{ readonly seen: Set<string>; lastMs: number }>();
  private readonly budgets = new Remembered<{ tokens: number; atMs: number }>();

  /** @returns undefined if the object's budget is used up: 25 events at once, then one in 5 minutes */
  take(event: EventInput, now: number): Occurrence | undefined {
    const { regarding, type, reason, action, note } = event;
    const object = [regarding.kind, regarding.namespace, regarding.name, regarding.uid];
    if (!this.pay(JSON.stringify(object), now)) return undefined;
    const like = JSON.stringify([...object, type, reason, action]);
    const combined = this.isOneOfMany(like, note, now);
    const key = combined ? like : `${like} ${note}`;
    const known = this.occurrences.get(key);
    if (known && now - known.lastMs < WINDOW_MS) {
      known.count++;
      known.lastMs = now;
      return this.occurrences.set(key, known);
    }
    const text = combined ? `(combined from similar events): ${note}` : note;
    return this.occurrences.set(key, new Occurrence({ ...event, note: text }, now));
  }

  /** Whether the event differs by its note only from 10 others in 10 minutes. */
  private isOneOfMany(like: string, note: string, now: number): boolean {
    const known = this.notes.get(like);
    const fresh = known && now - known.lastMs < WINDOW_MS ? known : { seen: new Set<string>(), lastMs: now };
    fresh.lastMs = now;
    this.notes.set(like, fresh);
    if (fresh.seen.has(note)) return false;
    if (fresh.seen.size >= MAX_LIKE) return true;
    fresh.seen.add(note);
    return false;
  }

  private pay(object: string, now: number): boolean {
    const { tokens, atMs } = this.budgets.get(object) ?? { tokens: BURST, atMs: now };
    const left = Math.min(BURST, tokens + (now - atMs) / REFILL_MS);
    this.budgets.set(object, { tokens: left >= 1 ? left - 1 : left, atMs: now });
    return left >= 1;
  }
}

/** A map that forgets what was not used for longest. */
class Remembered<T> {
  private readonly entries = new Map<string, T>();

  get(key: string): T | undefined {
    return this.entries.get(key);
  }

  set(key: string, value: T): T {
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size > MAX_REMEMBERED) {
      const [oldest] = this.entries.keys();
      if (oldest !== undefined) this.entries.delete(oldest);
    }
    return value;
  }
}

const MAX_NAME = 253;

/** Different for each Event, and a DNS subdomain. */
function nameOf({ regarding }: EventInput): string {
  const suffix = randomBytes(8).toString("hex");
  const start = regarding.name.slice(0, MAX_NAME - suffix.length - 1).replace(/[^a-z0-9]+$/, "");
  return `${start}.${suffix}`;
}
