import { ApiError, type KubernetesClient } from "../client";
import { itemsAt, textAt, type Json } from "./json";

/** Objects a page: client-go's. One page of whole pods is about 2 MB. */
const PAGE = "500";
/** For one page. A connection that is half open at the first list costs so long; a busy API server answers in a few seconds. */
const TIMEOUT_MS = 30_000;

export interface ListRequest {
  readonly client: Pick<KubernetesClient, "send">;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Called after each page. */
  readonly contact: () => void;
}

export interface List<T> {
  /** Version at which all items are. */
  readonly resourceVersion: string;
  readonly items: readonly T[];
}

/**
 * The whole collection at one version, page by page: `take` is given each raw item, which is not kept. It names no
 * version, so what is answered is the newest there is.
 *
 * Pages expire after some minutes. Then it starts over, the second time in one page, which cannot expire.
 *
 * @throws ApiError and Error as `send`; Error if the answer is no list
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

/** Whether the API server no longer knows what it was asked to go on from. */
export function isExpired(error: unknown): boolean {
  return error instanceof ApiError && error.status === 410;
}

async function pages<T>(
  request: ListRequest,
  limit: string | undefined,
  take: (raw: Json) => T,
): Promise<List<T>> {
  const { client, path, signal, contact } = request;
  const items: T[] = [];
  let next: string | undefined;
  do {
    const query = { ...request.query, ...(limit ? { limit } : {}), ...(next ? { continue: next } : {}) };
    const page = (await client.send("GET", path, undefined, {
      query,
      signal,
      timeoutMs: TIMEOUT_MS,
    })) as Json;
    contact();
    const resourceVersion = textAt(page, "metadata", "resourceVersion");
    if (resourceVersion === undefined) throw new Error(`the answer to a list of ${path} is no list`);
    for (const raw of itemsAt(page, "items")) items.push(take(raw));
    next = textAt(page, "metadata", "continue");
    if (!next) return { resourceVersion, items };
  } while (!signal.aborted);
  throw signal.reason;
}
