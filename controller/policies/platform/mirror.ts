import { PlatformError, type PlatformClient, type PlatformPolicy } from "../../../clients/cedana/platform";
import type { PolicyPlatformSettings } from "../../../config/programs/controller";
import { exponential, keyOf, NotLeaderError, PerKeyBackoff, sleep, type CachedObjects } from "../../../kube";
import type { PolicyObject } from "../objects";
import { Copies } from "./copies";
import { nextStep, type Step, type Wanted } from "./plan";
import type { PlatformRecord } from "./record";
import type { COPY_STATES, PlatformReport } from "./report";
import {
  elsewhereOf,
  leaving,
  mirrored,
  NO_COPY,
  NOT_LASTING,
  stateOf,
  SUSPENDED,
  waiting,
  withCopy,
  type CopyState,
  type Elsewhere,
} from "./states";
import { namesCopy, namesPlatform, WantedPolicies } from "./wanted";

/** Maximum number of copies: their record is one object. */
const MAX_COPIES = 1000;
/** First and longest delay after a failed round. */
const ROUND_MS = [5000, 300_000] as const;
/** First and longest delay after a request about one policy that failed, or whose change did not last. */
const POLICY_MS = [60_000, 3_600_000] as const;
/** Longest delay that the platform can request. */
const MAX_RETRY_AFTER_MS = 3_600_000;
/** Changes of policies within this time are processed in one round. */
const BATCH_MS = 1000;
/** Time without a comparison after which the status of policies reports it. */
const STALE_MS = 600_000;
/** Phases that become outdated without comparisons. */
const COMPARED: ReadonlySet<CopyState["phase"]> = new Set(["mirrored", "pending"]);

/** What is done with policies in the platform. */
export type PlatformPolicies = Pick<PlatformClient, "list" | "create" | "update" | "delete">;

export interface MirrorOptions {
  readonly settings: PolicyPlatformSettings;
  readonly policies: CachedObjects<PolicyObject>;
  readonly record: PlatformRecord;
  readonly platform: PlatformPolicies;
  readonly report: PlatformReport;
  /** Called with the key of each policy whose executor or state may have changed. */
  readonly changed: (key: string) => void;
}

interface Item {
  readonly object?: PolicyObject;
  readonly wanted?: Wanted | undefined;
  readonly problem?: string | undefined;
}

/**
 * Keeps copies of policies in the platform, which executes them. Each step can be repeated: what was begun is in the record before it
 * is requested, and a list of the platform's policies shows what was executed. One policy at a time, so that a creation whose response
 * was lost can be recognized.
 */
export class Mirror {
  private readonly states = new Map<string, CopyState>();
  private readonly removing = new Set<string>();
  private readonly backoff = new PerKeyBackoff(...POLICY_MS);
  private problem?: { readonly message: string; readonly sinceMs: number; readonly failures: number };
  /** No round before this time. */
  private notBeforeMs = 0;
  private nextMs = Infinity;
  private wake = () => {};
  private readonly copies: Copies;
  private readonly wanted: WantedPolicies;

  constructor(private readonly options: MirrorOptions) {
    this.wanted = new WantedPolicies(options.settings.heartbeatUnit);
    this.copies = new Copies(options);
  }

  /** Whether the platform executes the policy, or may do so: then nothing else does. */
  isElsewhere(object: PolicyObject): boolean {
    return namesPlatform(object) || this.isOpen(object);
  }

  /** Returns what the status of such a policy says. */
  elsewhere(object: PolicyObject, nowMs: number): Elsewhere {
    const { uid } = object.metadata;
    const { problem } = this;
    const state = this.states.get(uid);
    const isNew = !object.spec.suspend && namesPlatform(object);
    const known = state ?? (isNew || this.isOpen(object) ? waiting(object.status.platform) : NO_COPY);
    if (known.phase === "none" && object.spec.suspend && namesPlatform(object)) return SUSPENDED;
    if (!problem || !COMPARED.has(known.phase)) return elsewhereOf(known);
    const since = new Date(problem.sinceMs).toISOString();
    const message = `not compared with the platform since ${since}: ${problem.message}`;
    if (this.isStale(nowMs)) return elsewhereOf({ ...known, phase: "failed", message });
    return elsewhereOf(known.phase === "pending" ? { ...known, message } : known);
  }

  /** Whether there is a copy, or was one when the status was written. */
  private isOpen(object: PolicyObject): boolean {
    return namesCopy(object) || this.options.record.mayHave(object.metadata.uid);
  }

  /** Whether nothing was compared for so long that the status of policies reports it. */
  private isStale(nowMs: number): boolean {
    return this.problem !== undefined && nowMs - this.problem.sinceMs >= STALE_MS;
  }

  /** Returns the number of copies by state. */
  counts(nowMs: number): ReadonlyMap<(typeof COPY_STATES)[number], number> {
    const counts = new Map<(typeof COPY_STATES)[number], number>([["removing", this.removing.size]]);
    const isStale = this.isStale(nowMs);
    for (const [uid, { phase }] of this.states) {
      if (phase === "none" || this.removing.has(uid)) continue;
      const shown = isStale && COMPARED.has(phase) ? "failed" : phase;
      counts.set(shown, (counts.get(shown) ?? 0) + 1);
    }
    return counts;
  }

  start(): void {
    this.options.policies.onChange(({ old, new: now }) => {
      const isSame =
        old?.metadata.generation === now?.metadata.generation && old?.metadata.uid === now?.metadata.uid;
      // Users can change policies all the time, and each comparison is a request to the platform.
      if (!isSame && [old, now].some((one) => one && this.isElsewhere(one))) this.wake();
    });
  }

  /** Compares and writes until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const woken = new AbortController();
      const stop = () => woken.abort();
      signal.addEventListener("abort", stop, { once: true });
      this.wake = stop;
      if (Date.now() >= this.notBeforeMs) await this.round(signal);
      const nowMs = Date.now();
      const dueMs = Math.min(nowMs + this.options.settings.compareSeconds * 1000, this.nextMs);
      await sleep(Math.max(BATCH_MS, Math.max(this.notBeforeMs, dueMs) - nowMs), woken.signal);
      // A change of a policy starts the next comparison earlier. It does not shorten the delay after a failure.
      if (woken.signal.aborted) await sleep(Math.max(BATCH_MS, this.notBeforeMs - Date.now()), signal);
      signal.removeEventListener("abort", stop);
    }
  }

  private async round(signal: AbortSignal): Promise<void> {
    this.nextMs = Infinity;
    try {
      await this.sync(signal);
      if (this.problem) this.changedAll();
      this.problem = undefined;
    } catch (error) {
      if (signal.aborted || error instanceof NotLeaderError) return;
      const { failures = 0, sinceMs = Date.now() } = this.problem ?? {};
      const askedMs = error instanceof PlatformError ? (error.retryAfterMs ?? 0) : 0;
      const delayMs = Math.max(exponential(...ROUND_MS, failures), Math.min(askedMs, MAX_RETRY_AFTER_MS));
      this.notBeforeMs = Date.now() + delayMs;
      const message = error instanceof Error ? error.message : String(error);
      this.problem = { message, sinceMs, failures: failures + 1 };
      this.options.report.interrupted(error, delayMs);
      this.changedAll();
    }
  }

  private changedAll(): void {
    for (const object of this.options.policies.list())
      if (this.isElsewhere(object)) this.options.changed(keyOf(object));
  }

  private async sync(signal: AbortSignal): Promise<void> {
    const { record, platform } = this.options;
    const items = await this.items();
    this.wanted.keep(items);
    for (const uid of this.states.keys()) if (!items.has(uid)) this.states.delete(uid);
    this.removing.clear();
    for (const [uid, { wanted, problem, object }] of items) {
      const entry = record.entries.get(uid);
      if (problem !== undefined)
        this.set(uid, object, { phase: "invalid", message: problem, ...withCopy(entry) });
      if (wanted || !entry) continue;
      this.removing.add(uid);
      if (problem === undefined && this.states.get(uid)?.phase !== "failed")
        this.set(uid, object, leaving(entry));
    }
    const open = [...items].filter(
      ([uid, { wanted, object }]) =>
        wanted !== undefined || record.entries.has(uid) || (object !== undefined && this.isOpen(object)),
    );
    if (open.length === 0) return;
    for (const [uid, { object }] of open)
      if (object && !this.states.has(uid)) this.set(uid, object, waiting(object.status.platform));
    const listed = new Map((await platform.list({ signal })).map((one) => [one.id, one]));
    for (const [uid, item] of open.toSorted(([a], [b]) => (a < b ? -1 : 1)))
      if (this.isCurrent(item)) await this.settle(uid, item, listed, signal);
  }

  /** Returns the policies that the platform executes or may execute, by UID, and the entries whose policy was deleted. */
  private async items(): Promise<ReadonlyMap<string, Item>> {
    const { policies, record } = this.options;
    // A namespace whose list the API server denies may still have the policy. It may be permitted while policies are checked.
    const covered = ({ namespace = "" }: { readonly namespace?: string }) => policies.covers(namespace);
    const objects = policies.list().filter((one) => this.isElsewhere(one) && covered(one.metadata));
    const uids = new Set(objects.map(({ metadata }) => metadata.uid));
    const deleted = [...record.entries].filter(([uid, entry]) => !uids.has(uid) && covered(entry));
    const items = new Map<string, Item>(deleted.map(([uid]) => [uid, {}]));
    let left = MAX_COPIES - record.entries.size;
    for (const object of objects) {
      const { uid } = object.metadata;
      const { wanted, problem } = await this.wanted.of(object);
      const isFull = wanted && !record.entries.has(uid) && left-- <= 0;
      const full = `there are ${MAX_COPIES} copies, the maximum`;
      items.set(uid, isFull ? { object, problem: full } : { object, wanted, problem });
    }
    return items;
  }

  /** Whether a policy is as it was when the round began. After a change there is another round. */
  private isCurrent({ object }: Item): boolean {
    if (!object) return true;
    const { uid, generation } = object.metadata;
    const now = this.options.policies.get(keyOf(object))?.metadata;
    return now?.uid === uid && now.generation === generation;
  }

  private async settle(
    uid: string,
    item: Item,
    listed: Map<string, PlatformPolicy>,
    signal: AbortSignal,
  ): Promise<void> {
    const { report } = this.options;
    try {
      while (await this.execute(this.stepOf(uid, item, listed), uid, item, listed, signal));
    } catch (error) {
      if (!(error instanceof PlatformError) || signal.aborted) throw error;
      const isOfPolicy = error.isRejection || error.outcome === "failed" || error.outcome === "unknown";
      if (!isOfPolicy) throw error;
      this.backoff.block(uid, Date.now());
      const copy = this.states.get(uid)?.copy;
      const message = `${error.operation}: ${error.message}`;
      this.set(uid, item.object, { phase: "failed", message, ...(copy && { copy }) });
      report.failed(item.object?.metadata ?? this.options.record.entries.get(uid), error);
      // Requests about other policies would also wait until their timeout.
      if (error.outcome === "unknown") throw error;
    }
  }

  private stepOf(
    uid: string,
    { object, wanted }: Item,
    listed: ReadonlyMap<string, PlatformPolicy>,
  ): Step | { readonly do: "lost"; readonly id: string } {
    const { entries } = this.options.record;
    const entry = entries.get(uid);
    const named = object?.status.platform;
    if (!entry && named && listed.has(named.id)) return { do: "lost", id: named.id };
    const others = new Set([...entries].flatMap(([one, { id }]) => (one === uid ? [] : (id ?? []))));
    const { drift } = this.options.settings;
    return nextStep({ entry, wanted, listed, isOwned: (id) => others.has(id), drift, nowMs: Date.now() });
  }

  /** @returns whether there is another step */
  private async execute(
    step: ReturnType<Mirror["stepOf"]>,
    uid: string,
    item: Item,
    listed: Map<string, PlatformPolicy>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { object } = item;
    switch (step.do) {
      case "create":
      case "update":
      case "delete":
        return this.request(step, uid, item, listed, signal);
      case "adopt": {
        const entry = this.options.record.entries.get(uid);
        if (entry) await this.copies.adopt(uid, entry, step.id, signal);
        return true;
      }
      case "forget":
        this.backoff.reset(uid);
        this.removing.delete(uid);
        if (this.options.record.entries.has(uid)) await this.options.record.set(uid, undefined, signal);
        // Once the status names no copy, another executor may start.
        if (object) this.set(uid, object, NO_COPY);
        else this.states.delete(uid);
        return item.wanted !== undefined;
      case "wait":
        this.nextMs = Math.min(this.nextMs, step.untilMs);
        this.set(uid, object, stateOf(step));
        return false;
      case "inSync":
        this.backoff.reset(uid);
        this.set(uid, object, stateOf(step));
        return false;
      default: {
        const state = stateOf(step);
        // Without its policy it has no status.
        if (!object && this.states.get(uid)?.message !== state.message)
          this.options.report.unresolved(this.options.record.entries.get(uid), state.message);
        this.set(uid, object, state);
        return false;
      }
    }
  }

  /** @returns whether there is another step */
  private async request(
    step: Extract<Step, { readonly do: "create" | "update" | "delete" }>,
    uid: string,
    { object, wanted }: Item,
    listed: Map<string, PlatformPolicy>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const entry = this.options.record.entries.get(uid);
    const isCorrection =
      step.do !== "delete" && entry?.id !== undefined && wanted?.heartbeat === entry.heartbeat;
    const pauseMs = this.backoff.remainingMs(uid, Date.now());
    if (pauseMs > 0) {
      this.nextMs = Math.min(this.nextMs, Date.now() + pauseMs);
      // The state shows a failed request. A correction that did not last is not a failure.
      if (isCorrection && this.states.get(uid)?.phase === "mirrored")
        this.set(uid, object, { phase: "drifted", message: NOT_LASTING, ...withCopy(entry) });
      return false;
    }
    if (step.do === "delete") {
      if (entry) await this.copies.delete(uid, entry, step.id, signal);
      return listed.delete(step.id);
    }
    if (!wanted) return false;
    const id =
      step.do === "create"
        ? await this.copies.create(uid, wanted, [...listed.keys()], signal)
        : await this.copies.update(uid, step.id, wanted, signal);
    // A copy that changes again and again is not corrected at each comparison.
    if (isCorrection) this.backoff.block(uid, Date.now());
    this.set(uid, object, mirrored({ ...this.states.get(uid)?.copy, id }));
    return false;
  }

  private set(uid: string, object: PolicyObject | undefined, state: CopyState): void {
    const before = this.states.get(uid);
    this.states.set(uid, state);
    if (!object) return;
    if (before?.phase !== state.phase && state.phase !== phaseBefore(object))
      this.options.report.changed(object, state);
    this.options.changed(keyOf(object));
  }
}

/** Returns the phase that an earlier process reported, so that a new leader does not report it again. */
function phaseBefore({ status: { conditions = [] } }: PolicyObject): CopyState["phase"] | undefined {
  const reason = conditions.find(({ type }) => type === "Ready")?.reason;
  const phases = { Mirrored: "mirrored", Drifted: "drifted", PlatformFailed: "failed" } as const;
  return Object.entries(phases).find(([name]) => name === reason)?.[1];
}
