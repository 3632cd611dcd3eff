import { isExpired } from "./errors";
import type { Json } from "../../http";
import { itemsAt, textAt } from "./json";
import type { Transport } from "./transport";

/**
 * Objects of the first page. The size of further pages is chosen so that they have about PAGE_BYTES: the JSON of a page is
 * garbage after its projection, and the heap grows with the largest page (docs/controller/performance.md).
 */
const FIRST_PAGE = 50;
const MIN_PAGE = 25;
/** Page size of client-go. */
const MAX_PAGE = 500;
const PAGE_BYTES = 256 * 1024;
/**
 * A request costs about a millisecond of CPU. Pages of a long list become larger, up to this size and this part of what was
 * listed before: its heap is so large that the page matters little.
 */
const MAX_PAGE_BYTES = 1024 * 1024;
const PART_OF_LISTED = 64;
/** For one page. A half-open connection delays the first list by so long; a busy API server responds in a few seconds. */
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
  /** In one page. Default: false. */
  readonly whole?: boolean;
  /** Called after each page. */
  readonly onPage?: () => void;
}

export interface List<T> {
  /** Version at which all items are. */
  readonly resourceVersion: string;
  readonly items: readonly T[];
}

/**
 * Lists the whole collection at one version, page by page: `take` receives each raw item, which is not stored. Unless the
 * query requests a version, the result is the newest one.
 *
 * Pages expire after some minutes. Then it starts over, the second time in one page, which cannot expire.
 *
 * @throws ApiError and Error as `send`; Error if the response is not a list
 */
export async function listAll<T>(request: ListRequest, take: (raw: Json) => T): Promise<List<T>> {
  for (const paged of request.whole ? [false] : [true, true, false]) {
    try {
      return await pages(request, paged, take);
    } catch (error) {
      if (!(isExpired(error) && paged)) throw error;
    }
  }
  throw new Error("unreachable");
}

async function pages<T>(request: ListRequest, paged: boolean, take: (raw: Json) => T): Promise<List<T>> {
  const { transport, path, signal, timeoutMs = TIMEOUT_MS, onPage } = request;
  const items: T[] = [];
  let [limit, listedBytes] = [FIRST_PAGE, 0];
  let next: string | undefined;
  for (;;) {
    const query = {
      ...request.query,
      ...(paged && { limit: String(limit) }),
      ...(next && { continue: next }),
    };
    const page = (await transport.send("GET", path, undefined, { query, signal, timeoutMs })) as Json;
    onPage?.();
    const resourceVersion = textAt(page, "metadata", "resourceVersion");
    if (resourceVersion === undefined) throw new Error(`the response to a list of ${path} is not a list`);
    const raws = itemsAt(page, "items");
    for (const raw of raws) items.push(take(raw));
    const bytes = raws[0] === undefined ? 0 : JSON.stringify(raws[0]).length;
    listedBytes += bytes * raws.length;
    limit = pageOf(bytes, listedBytes);
    next = textAt(page, "metadata", "continue");
    if (!next) return { resourceVersion, items };
    signal?.throwIfAborted();
  }
}

/** Returns the number of objects of the next page, by the size of an object of this one. */
function pageOf(bytes: number, listedBytes: number): number {
  if (bytes === 0) return MAX_PAGE;
  const pageBytes = Math.min(MAX_PAGE_BYTES, Math.max(PAGE_BYTES, listedBytes / PART_OF_LISTED));
  return Math.min(MAX_PAGE, Math.max(MIN_PAGE, Math.floor(pageBytes / bytes)));
}
