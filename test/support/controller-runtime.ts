import type { Runtime } from "../../controller/runtime";
import {
  Cache,
  Client,
  createLogger,
  leadAll,
  Metrics,
  type Controller,
  type EventInput,
  type Logger,
  type Transport,
} from "../../kube";

/** Returns a logger whose lines of level info and above are added to the list, parsed. */
export function logInto(lines: object[]): Logger {
  const write = (line: string) => void lines.push(JSON.parse(line) as object);
  return createLogger({ level: "info", destination: { write } });
}

/** Returns the dependencies of controllers on a transport, without leader election. */
export function runtimeOn(
  transport: Transport,
  given: { readonly events?: EventInput[]; readonly metrics?: Metrics; readonly lines?: object[] } = {},
): Runtime {
  const { events = [], metrics = new Metrics(), lines } = given;
  const log = lines ? logInto(lines) : createLogger({ level: "error", destination: { write: () => {} } });
  const cache = new Cache({ transport, log, metrics });
  return {
    cache,
    client: clientOn(transport, cache),
    events: { record: (event) => void events.push(event) },
    log,
    metrics,
  };
}

/** Returns a client that records its writes in the cache. */
export function clientOn(transport: Pick<Transport, "send">, cache?: Pick<Cache, "observe">): Client {
  const observe: Cache["observe"] = (kind, object) => cache?.observe(kind, object);
  return new Client(transport, { fieldManager: "cedana-controller", observe });
}

/** Runs the cache and the controllers, as a leader does. Settles when all controllers have stopped. */
export async function lead(
  { cache }: Pick<Runtime, "cache">,
  controllers: readonly Controller[],
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([cache.run(signal), leadAll(controllers, signal)]);
}
