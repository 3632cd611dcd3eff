import {
  hasStatus,
  itemsAt,
  metadataOf,
  pathOf,
  textAt,
  type ApiKind,
  type Client,
  type Json,
  type ObjectMetadata,
} from "../../kube/client";

/** One page of a list. */
export interface Page {
  readonly objects: readonly { readonly metadata: ObjectMetadata; readonly raw: Json }[];
  /** Token of the next page; undefined: this is the last one. */
  readonly next?: string;
}

/**
 * Lists all objects of a kind page by page, from a token on. If the token has expired, the API server continues after the same
 * object, without the snapshot of the first page.
 * @param from token of an earlier list; undefined: from the start
 * @throws ApiError and Error as `send`
 */
export async function* pagesOf(
  { transport }: Pick<Client, "transport">,
  kind: ApiKind,
  { pageSize, from }: { readonly pageSize: number; readonly from?: string | undefined },
): AsyncGenerator<Page> {
  let next = from;
  do {
    const query = { limit: String(pageSize), ...(next !== undefined && { continue: next }) };
    let list: Json;
    try {
      list = (await transport.send("GET", pathOf(kind), undefined, { query })) as Json;
    } catch (error) {
      const later = hasStatus(error, 410) ? error.continuation : undefined;
      if (later === undefined || later === next) throw error;
      next = later;
      continue;
    }
    const token = textAt(list, "metadata", "continue");
    next = token === "" ? undefined : token;
    const objects = itemsAt(list, "items").map((raw) => ({ metadata: metadataOf(raw), raw }));
    yield { objects, ...(next !== undefined && { next }) };
  } while (next !== undefined);
}
