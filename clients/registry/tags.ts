import type { LocatedResponse, Transport } from "./transport";

export interface ListTagsOptions {
  readonly pageSize?: number;
  readonly signal?: AbortSignal;
}

const OPERATION = "list of tags";
/** Far above what a repository has. A registry whose pages never end is an error. */
const MAX_PAGES = 10_000;

/** Lists the tags of a repository by OCI's distribution API, which names the next page in the header `Link`. */
export async function* listTags(
  transport: Transport,
  repository: string,
  { pageSize = 100, signal }: ListTagsOptions,
): AsyncGenerator<readonly string[]> {
  const call = { operation: OPERATION, repository, scope: `repository:${repository}:pull`, signal };
  let to: string | URL | undefined = `tags/list?n=${pageSize}`;
  for (let page = 0; to !== undefined; page++) {
    if (page >= MAX_PAGES) throw transport.error(OPERATION, repository, `has more than ${MAX_PAGES} pages`);
    const place: string | URL = to;
    const response: LocatedResponse = await transport.retried(
      () => transport.send({ ...call, method: "GET", to: place, accepted: [200, 404] }),
      signal,
    );
    if (response.status === 404) {
      const error = transport.responseError(OPERATION, repository, response);
      if (error.code !== "NAME_UNKNOWN") throw error;
      return;
    }
    yield tagsIn(transport, repository, response);
    to = nextPage(transport, repository, response);
  }
}

function tagsIn(
  transport: Transport,
  repository: string,
  { status, body }: LocatedResponse,
): readonly string[] {
  let tags: unknown;
  try {
    ({ tags } = JSON.parse(body.toString("utf8")) as { tags?: unknown });
  } catch {
    tags = undefined;
  }
  // The list of an empty repository is null in the JSON of Go.
  if (tags === null) return [];
  if (Array.isArray(tags) && tags.every((tag) => typeof tag === "string")) return tags;
  throw transport.error(OPERATION, repository, "the response has no list of tags", { status });
}

const NEXT = /<([^<>]*)>\s*;[^,]*\brel="?next"?/;

/** Returns the next page, which must be of the registry itself: it gets the credentials. */
function nextPage(transport: Transport, repository: string, response: LocatedResponse): URL | undefined {
  const link = response.headers["link"];
  const next = NEXT.exec(Array.isArray(link) ? link.join(", ") : (link ?? ""))?.[1];
  if (next === undefined) return undefined;
  const { status, url: base } = response;
  const url = URL.canParse(next, base.href) ? new URL(next, base) : undefined;
  if (url?.origin === transport.origin.origin && url.href !== base.href) return url;
  throw transport.error(OPERATION, repository, "the next page is not at the registry", { status });
}
