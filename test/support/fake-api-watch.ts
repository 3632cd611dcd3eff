import type { ApiError, Json, WatchEvent } from "../../kube/client";
import type { Objects, Stored, Write } from "./fake-api-objects";
import { isBuiltIn, type Target } from "./fake-api-path";
import { selector } from "./fake-api-select";

/** Interval of bookmarks, as in Kubernetes' watch cache. */
const BOOKMARK_MS = 60_000;

/** An open watch, as a test controls it. */
export interface OpenWatch {
  readonly target: Target;
  /** Sends a bookmark, if the client requested them. */
  bookmark(): void;
  /** Sends an event. */
  send(event: WatchEvent): void;
  /** Ends the watch, with or without an error. */
  end(error?: Error): void;
  /** Delivers no further events, as a half-open connection. */
  stall(): void;
}

export interface Opened {
  readonly watch: OpenWatch;
  readonly events: AsyncIterable<WatchEvent>;
}

/** Opens a watch. Errors are events, as in Kubernetes. */
export function openWatch(
  objects: Objects,
  target: Target,
  options: { readonly signal: AbortSignal; readonly idleTimeoutMs: number },
): Opened {
  const { query } = target;
  const matches = selector(target.namespace, query);
  const pending: WatchEvent[] = [];
  let position = Number(query.get("resourceVersion") ?? 0);
  let failure: Error | undefined;
  let ended = false;
  let stalled = false;
  let lastEventMs = Date.now();
  let wake = () => {};

  const watch: OpenWatch = {
    target,
    bookmark: () => {
      if (query.get("allowWatchBookmarks") === "true" && !stalled) {
        read();
        push({ type: "BOOKMARK", object: { metadata: { resourceVersion: String(objects.version) } } });
      }
    },
    send: push,
    end: (error) => {
      ended = true;
      failure = error;
      wake();
    },
    stall: () => (stalled = true),
  };

  if (position === 0) {
    for (const object of objects.list(target.collection))
      if (matches(object)) pending.push({ type: "ADDED", object: json(object) });
    position = objects.version;
  }
  return { watch, events: events() };

  function push(event: WatchEvent): void {
    if (stalled) return;
    pending.push(event);
    lastEventMs = Date.now();
    wake();
  }

  function read(): void {
    if (stalled || ended) return;
    try {
      const writes = objects.since(target.collection, position);
      position = objects.version;
      for (const event of writes.map((write) => eventOf(write, matches))) if (event) push(event);
    } catch (error) {
      push({ type: "ERROR", object: statusOf(error as ApiError) });
      ended = true;
    }
  }

  async function* events(): AsyncGenerator<WatchEvent> {
    const seconds = Number(query.get("timeoutSeconds") ?? 0);
    let silence = setTimeout(silent, options.idleTimeoutMs);
    const timers = [
      setInterval(() => watch.bookmark(), BOOKMARK_MS),
      ...(seconds > 0 ? [setTimeout(() => !stalled && watch.end(), seconds * 1000)] : []),
    ];
    const stop = objects.onWrite(read);
    const abort = () => watch.end();
    options.signal.addEventListener("abort", abort);
    try {
      read();
      for (;;) {
        for (let event = pending.shift(); event; event = pending.shift()) {
          if (options.signal.aborted) return;
          yield event;
        }
        if (failure) throw failure;
        if (ended || options.signal.aborted) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      for (const timer of [...timers, silence]) clearTimeout(timer);
      options.signal.removeEventListener("abort", abort);
      stop();
    }

    function silent(): void {
      const left = lastEventMs + options.idleTimeoutMs - Date.now();
      if (left > 0) silence = setTimeout(silent, left);
      else watch.end(new Error(`nothing received for ${options.idleTimeoutMs / 1000} s`));
    }
  }

  function json(object: Stored): Json {
    const copy = structuredClone(object);
    return (isBuiltIn(target.apiVersion) ? copy : { apiVersion: target.apiVersion, ...copy }) as Json;
  }

  /** Returns the event of a write: an object that starts to match is ADDED, one that no longer matches is DELETED. */
  function eventOf(write: Write, selected: (object: Stored) => boolean): WatchEvent | undefined {
    const before = write.old !== undefined && selected(write.old);
    const after = write.new !== undefined && selected(write.new);
    if (write.new && after) return { type: before ? "MODIFIED" : "ADDED", object: json(write.new) };
    if (!before || !write.old) return undefined;
    const deleted = structuredClone(write.old);
    deleted.metadata.resourceVersion = String(write.version);
    return { type: "DELETED", object: json(deleted) };
  }
}

export function statusOf({ status, message, reason }: ApiError): Json {
  return { kind: "Status", apiVersion: "v1", status: "Failure", message, reason, code: status };
}
