import { ApiError, hasStatus, isExpired } from "../client/errors";
import { Backoff, sleep } from "../backoff";
import type { Json } from "../../http";
import { numberAt, textAt } from "../client/json";
import type { Logger } from "../log";
import type { Metrics, ReflectorMetrics } from "../metrics";
import { isOlder, type KubernetesObject } from "../client/objects";
import type { Transport, WatchEvent } from "../client/transport";
import { listAll } from "../client/list";
import { StoreWriter, type Store } from "./store";

export interface ReflectorOptions<T extends KubernetesObject> {
  /** Label of its metrics, and `reflector` in its log. */
  readonly name: string;
  readonly transport: Transport;
  /** Of the collection: `/api/v1/pods`. */
  readonly path: string;
  /** `labelSelector` and `fieldSelector`. */
  readonly query?: Readonly<Record<string, string>>;
  /** Keeps only the fields in use. Its errors are logged, and the store keeps the previous object. */
  readonly project: (raw: Json) => T;
  /** Written by this reflector alone. */
  readonly store: Store<T>;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, "reflector">;
  /** Called when the API server begins to deny the list or watch, and, without an argument, when it permits them again. */
  readonly onDenial?: (denial?: Denial) => void;
}

/** Why the API server serves no list: a permission is missing (403), or the kind is (404). */
export interface Denial {
  readonly status: number;
  readonly message: string;
}

/**
 * The API server ends a watch after 30 to 45 s, by request, and a watch without a byte for 50 s fails. So a dead connection
 * is found in 50 s, with or without bookmarks: a collection that does not change gets none. A new watch continues from the
 * last version, at almost no cost.
 */
const WATCH_SECONDS = { least: 30, most: 45 };
const IDLE_TIMEOUT_MS = 50_000;

/** Watches that end sooner count as failures for the backoff. */
const STEADY_MS = 1000;

/** Time without an event after which the collection is listed again: a restore of etcd may have replaced its history. */
const QUIET_MS = 600_000;

/** Lists older than a version already seen that are rejected: caches catch up in seconds, a restored etcd never does. */
const STALE_LISTS = 6;

/** Interval of warnings during an outage. */
const WARN_MS = 60_000;

const BACKOFF = { baseMs: 250, maxMs: 10_000, jitter: 0.5 };

/** Keeps a store equal to a collection of the API server, across failures of the connection. */
export class Reflector<T extends KubernetesObject> {
  readonly name: string;
  /** Settles once the first list is in the store. */
  readonly synced: Promise<void>;
  /** Settles once the first list is in the store, or the API server denied it. */
  readonly answered: Promise<void>;
  private readonly log: Logger;
  private readonly metrics: ReflectorMetrics;
  private readonly writer: StoreWriter<T>;
  private readonly backoff = new Backoff(BACKOFF);
  /** Version to watch from; undefined if the collection must be listed. */
  private position?: string;
  /** Newest version seen. */
  private newest = "0";
  private newsMs = 0;
  private contactMs = 0;
  private staleLists = 0;
  /** Whether the history already expired since the last steady watch. */
  private expired = false;
  private warnedMs = 0;
  private listed = false;
  private settle = () => {};
  private settleAnswer = () => {};
  private denial?: Denial;
  private readonly waiting = new Set<{ readonly version: string; readonly resolve: () => void }>();

  constructor(private readonly options: ReflectorOptions<T>) {
    this.name = options.name;
    this.log = options.log.child({ reflector: options.name });
    this.metrics = options.metrics.reflector(options.name);
    this.writer = new StoreWriter(options.store, options.project, this.log);
    this.synced = new Promise((resolve) => {
      this.settle = resolve;
    });
    this.answered = new Promise((resolve) => {
      this.settleAnswer = resolve;
    });
  }

  get hasSynced(): boolean {
    return this.listed;
  }

  /** Why the API server denies the list or watch; undefined while it does not. */
  get denied(): Denial | undefined {
    return this.denial;
  }

  /** When the API server last responded, ms since the epoch; 0 before the first time. At most 50 s ago in normal operation. */
  get lastContactMs(): number {
    return this.contactMs;
  }

  /**
   * Waits until a list or the watch has delivered all changes of the collection up to a version, which must be of one of its
   * objects: for other versions there may be no event.
   * @returns false after the timeout
   */
  async delivers(version: string, timeoutMs: number): Promise<boolean> {
    if (!isOlder(this.newest, version)) return true;
    const done = new AbortController();
    const waiter = { version, resolve: () => done.abort() };
    this.waiting.add(waiter);
    await sleep(timeoutMs, done.signal);
    this.waiting.delete(waiter);
    return done.signal.aborted;
  }

  /** Follows the collection until the signal. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const start = Date.now();
      try {
        if (start - this.newsMs >= QUIET_MS) this.position = undefined;
        this.position ??= await this.list(signal);
        await this.watch(this.position, signal);
        if (Date.now() - start < STEADY_MS) await sleep(this.backoff.next(), signal);
      } catch (error) {
        if (!signal.aborted) await this.recover(error, signal);
      }
    }
  }

  private async list(signal: AbortSignal): Promise<string> {
    const { transport, path, query } = this.options;
    const onPage = () => this.contact();
    const list = await listAll({ transport, path, query, signal, onPage }, (raw) => this.writer.item(raw));
    const { resourceVersion, items } = list;
    if (isOlder(resourceVersion, this.newest) && ++this.staleLists < STALE_LISTS)
      throw new Error(
        `the list is at version ${resourceVersion}, before ${this.newest}, which was seen before`,
      );
    if (isOlder(resourceVersion, this.newest)) this.options.store.reset();
    this.staleLists = 0;
    this.newsMs = Date.now();
    await this.writer.replace(list);
    // Not before: then all changes up to this version are stored.
    this.newest = resourceVersion;
    this.writer.progress(resourceVersion);
    this.metrics.listed(items.length);
    this.log.info({ items: items.length, resourceVersion }, "listed");
    this.listed = true;
    this.settle();
    this.permitted();
    this.delivered();
    return resourceVersion;
  }

  private async watch(from: string, signal: AbortSignal): Promise<void> {
    const { transport, path } = this.options;
    const { least, most } = WATCH_SECONDS;
    const timeoutSeconds = String(Math.round(least + Math.random() * (most - least)));
    const query = {
      ...this.options.query,
      resourceVersion: from,
      allowWatchBookmarks: "true",
      timeoutSeconds,
    };
    const onOpen = () => {
      this.metrics.watched();
      this.contact();
      this.permitted();
    };
    const start = Date.now();
    try {
      for await (const event of transport.watch(path, {
        query,
        signal,
        idleTimeoutMs: IDLE_TIMEOUT_MS,
        onOpen,
      })) {
        this.contact();
        this.apply(event);
      }
      if (!signal.aborted) this.contact();
    } finally {
      if (Date.now() - start >= STEADY_MS) this.steady();
    }
  }

  private steady(): void {
    this.backoff.reset();
    this.expired = false;
    this.warnedMs = 0;
  }

  /** @throws ApiError for an ERROR event */
  private apply({ type, object }: WatchEvent): void {
    if (type === "ERROR") throw errorIn(object);
    const version = textAt(object, "metadata", "resourceVersion");
    if (version === undefined) throw new Error(`an event ${type} without a resourceVersion`);
    // Versions only grow in a watch; an older one is a repetition.
    if (isOlder(version, this.position ?? "0")) return;
    if (type === "DELETED") this.writer.delete(object);
    else if (type !== "BOOKMARK") this.writer.set(object);
    this.writer.progress(version);
    this.position = version;
    this.newest = version;
    this.newsMs = Date.now();
    this.delivered();
  }

  private delivered(): void {
    for (const { version, resolve } of this.waiting) if (!isOlder(this.newest, version)) resolve();
  }

  private async recover(error: unknown, signal: AbortSignal): Promise<void> {
    this.metrics.failed();
    if (hasStatus(error, 403, 404)) this.deny(error);
    if (mustList(error)) this.position = undefined;
    const retryMs = this.delay(error);
    const next = this.position === undefined ? "list" : "watch";
    this.log[this.levelOf(error)]({ error: String(error), retryMs, next }, "list or watch failed");
    await sleep(retryMs, signal);
  }

  /** A denial is a response: the process needs no restart, which would not change it. */
  private deny({ status, message }: ApiError): void {
    this.contact();
    const known = this.denial;
    this.denial = { status, message };
    this.metrics.denied(true);
    this.settleAnswer();
    if (known?.status !== status || known.message !== message) this.options.onDenial?.(this.denial);
  }

  private permitted(): void {
    this.settleAnswer();
    if (this.denial === undefined) return;
    this.denial = undefined;
    this.metrics.denied(false);
    this.log.info("permitted again");
    this.options.onDenial?.();
  }

  private delay(error: unknown): number {
    if (isExpired(error) && !this.expired) {
      this.expired = true;
      return 0;
    }
    const requested = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    return Math.round(Math.max(this.backoff.next(), Math.min(requested, BACKOFF.maxMs)));
  }

  /** Expired history is normal; an outage is not a warning at each attempt. */
  private levelOf(error: unknown): "info" | "warn" | "debug" {
    if (isExpired(error)) return "info";
    if (Date.now() - this.warnedMs < WARN_MS) return "debug";
    this.warnedMs = Date.now();
    return "warn";
  }

  private contact(): void {
    this.contactMs = Date.now();
    this.metrics.contact();
  }
}

/** Checks whether the version to watch from is useless: rejected for another reason than credentials (401, 403) or load (429). */
function mustList(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  return error.status >= 400 && error.status < 500 && ![401, 403, 429].includes(error.status);
}

function errorIn(status: Json): ApiError {
  const message = textAt(status, "message") ?? "the watch ended with an error";
  return new ApiError(numberAt(status, "code") ?? 500, message, { reason: textAt(status, "reason") });
}
