import { isExpired } from "./errors";
import type { Json } from "../../http";
import { itemsAt, textAt } from "./json";
import type { Transport } from "./transport";

/** Objects a page: client-go's. One page of whole pods is about 2 MB. */
const PAGE = "500";
/** For one page. A connection that is half open at the first list costs so long; a busy API server answers in a few seconds. */
const TIMEOUT_MS = 30_000;

export interface ListRequest {
  readonly transport: Pick<Transport, "send">;
  /** Of the collection: `/api/v1/pods`. */
  readonly path: string;
  /** `labelSelector` and `fieldSelector`. */
  readonly query?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** For one page. Default: 30,000. */
  readonly timeoutMs?: number;
  /** Called after each page. */
  readonly onPage?: () => void;
}

export interface List<T> {
  /** Version at which all items are. */
  readonly resourceVersion: string;
  readonly items: readonly T[];
}

/**
 * Lists the whole collection at one version, page by page: `take` is given each raw item, which is not kept. No version is
 * requested, so the result is the newest there is.
 *
 * Pages expire after some minutes. Then it starts over, the second time in one page, which cannot expire.
 *
 * @throws ApiError and Error as `send`; Error if the response is no list
 */
export async function listAll<T>(request: ListRequest, take: (raw: Json) => T): Promise<List<T>> {
  for (const limit of [PAGE, PAGE, undefined]) {
    try {
      return await pages(request, limit, take);
    } catch (error) {
      if (!(isExpired(error) && limit !== undefined)) throw error;
    }
  }
  throw new Error("unreachable");
}

async function pages<T>(
  request: ListRequest,
  limit: string | undefined,
  take: (raw: Json) => T,
): Promise<List<T>> {
  const { transport, path, signal, timeoutMs = TIMEOUT_MS, onPage } = request;
  const items: T[] = [];
  let next: string | undefined;
  for (;;) {
    const query = { ...request.query, ...(limit ? { limit } : {}), ...(next ? { continue: next } : {}) };
    const page = (await transport.send("GET", path, undefined, { query, signal, timeoutMs })) as Json;
    onPage?.();
    const resourceVersion = textAt(page, "metadata", "resourceVersion");
    if (resourceVersion === undefined) throw new Error(`the response to a list of ${path} is no list`);
    for (const raw of itemsAt(page, "items")) items.push(take(raw));
    next = textAt(page, "metadata", "continue");
    if (!next) return { resourceVersion, items };
    signal?.throwIfAborted();
  }
}
