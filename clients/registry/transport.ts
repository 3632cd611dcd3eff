import { randomInt } from "node:crypto";
import { Agent as PlainAgent } from "node:http";
import { Agent as SecureAgent } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { config } from "../../package.json";
import { AuthorizationError, Authorizer } from "./authorizer";
import type { Credentials } from "./docker-config";
import { RegistryError, type RegistryErrorDetails } from "./error";
import { ContentError, exchange, type Answer, type Call } from "./exchange";
import { isLoopback, originOf } from "./reference";
import { refusalOf } from "./refusal";

export interface RegistryOptions {
  /** Host, with its port if it has one: `ImageReference.registry`. */
  readonly registry: string;
  readonly credentials?: Credentials;
  /** For one request without a blob in it. Default: 60,000. */
  readonly timeoutMs?: number;
  /** For one attempt to send a blob. Default: 3,600,000. */
  readonly uploadTimeoutMs?: number;
  /** A request fails if nothing at all is sent or received for so long. Default: 60,000. */
  readonly idleTimeoutMs?: number;
  /** How often the same is tried. Default: 5. */
  readonly attempts?: number;
  /** Before the second attempt, doubled each time, at most 10 s, with jitter. Default: 250. */
  readonly baseDelayMs?: number;
}

export interface Request {
  readonly operation: string;
  readonly repository: string;
  readonly method: Call["method"];
  /** Below `/v2/<repository>/`, or where the registry sent us. */
  readonly to: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: () => NonNullable<Call["body"]>;
  /** Of the token. Default: pull and push on the repository. */
  readonly scope?: string;
  /** Whether it carries a blob, and so may take long. The registry may read all of it again before it says a word. */
  readonly long?: boolean;
  readonly accepted: readonly number[];
  readonly signal?: AbortSignal;
}

const MAX_DELAY_MS = 10_000;
const MAX_RETRY_AFTER_MS = 60_000;
const MAX_REDIRECTS = 5;
/** Some registries copy a blob in their store before they answer; tens of gigabytes take minutes. */
const COMMIT_MS = 600_000;
/** Without a body these say so, by a length of 0. */
const BODIED = ["POST", "PUT"];

/** Requests of one registry: with authorization, redirects, a limit of time, and what fails for a passing reason again. */
export class Transport {
  readonly origin: URL;
  private readonly agent: PlainAgent;
  private readonly authorizer: Authorizer;

  constructor(private readonly options: RegistryOptions) {
    this.origin = originOf(options.registry);
    const plain = this.origin.protocol === "http:";
    this.agent = new (plain ? PlainAgent : SecureAgent)({ keepAlive: true });
    this.authorizer = new Authorizer(options.credentials, this.origin, ({ form, ...call }) =>
      this.exchange({ ...call, body: form === undefined ? undefined : bytes(Buffer.from(form)) }),
    );
  }

  /** Ends the connections that are kept. */
  close(): void {
    this.agent.destroy();
  }

  /** Does something until it succeeds, fails for good, or has been tried often enough. */
  async retried<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { attempts = 5, baseDelayMs = 250 } = this.options;
    for (let tried = 1; ; tried++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof RegistryError) || !error.passing || tried >= attempts) throw error;
        const { retryAfterMs = 0 } = error;
        if (retryAfterMs > MAX_RETRY_AFTER_MS) throw error;
        const delay = Math.min(baseDelayMs * 2 ** (tried - 1), MAX_DELAY_MS);
        const jittered = delay / 2 + randomInt(Math.ceil(delay / 2) + 1);
        await pause(Math.max(retryAfterMs, jittered), undefined, { signal });
      }
    }
  }

  /** One request. @throws RegistryError for a refusal or no answer; what the body throws, as it is */
  async send(request: Request): Promise<Answer> {
    const { operation, repository, accepted, signal, scope = pushScope(repository) } = request;
    const first = typeof request.to === "string" ? this.url(repository, request.to) : request.to;
    try {
      let url = first;
      let authorization = await this.authorizer.header(scope);
      let challenged = false;
      for (let redirects = 0; ;) {
        // Credentials are for the registry alone, not for the store that it sends us to.
        const own = url.origin === this.origin.origin;
        const answer = await this.exchange({
          method: request.method,
          url,
          headers: { ...request.headers, ...(own && authorization ? { authorization } : {}) },
          body: request.body?.() ?? (BODIED.includes(request.method) ? bytes(Buffer.alloc(0)) : undefined),
          signal,
          long: request.long,
        });
        const { status, headers } = answer;
        if (accepted.includes(status)) return answer;
        if (status === 401 && own && !challenged) {
          challenged = true;
          const next = await this.authorizer.challenged(
            headers["www-authenticate"] ?? "",
            scope,
            authorization,
          );
          if (next !== undefined && next !== authorization) {
            authorization = next;
            continue;
          }
        }
        const redirected =
          [301, 302, 303, 307, 308].includes(status) && ["GET", "HEAD"].includes(request.method);
        if (!redirected || ++redirects > MAX_REDIRECTS)
          throw refusalOf(operation, this.where(repository), answer);
        url = this.location(operation, repository, answer, url);
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ContentError) throw error.cause;
      if (error instanceof RegistryError) throw error;
      const status = error instanceof AuthorizationError ? error.status : undefined;
      throw this.error(operation, repository, reasonOf(error), { status, cause: error });
    }
  }

  private exchange(
    call: Pick<Call, "method" | "url" | "headers" | "body" | "signal"> & Pick<Request, "long">,
  ): Promise<Answer> {
    const { timeoutMs = 60_000, uploadTimeoutMs = 3_600_000, idleTimeoutMs = 60_000 } = this.options;
    const headers = { "user-agent": `cedana-cdk/${config.version}`, ...call.headers };
    const agent = call.url.protocol === this.origin.protocol ? this.agent : undefined;
    return exchange({
      ...call,
      headers,
      agent,
      idleTimeoutMs,
      answerTimeoutMs: call.long ? COMMIT_MS : undefined,
      timeoutMs: call.long ? uploadTimeoutMs : timeoutMs,
    });
  }

  /** Where an answer sends us, which must be as safe as the registry is. */
  location(operation: string, repository: string, { status, headers }: Answer, base: URL): URL {
    const { location } = headers;
    if (location === undefined || !URL.canParse(location, base.href))
      throw this.error(operation, repository, "answers without a location", { status });
    const url = new URL(location, base);
    const plain = url.protocol === "http:" && this.origin.protocol === "http:" && isLoopback(url);
    if ((url.protocol === "https:" || plain) && url.username === "") return url;
    throw this.error(
      operation,
      repository,
      `sends us on to ${url.protocol}//${url.host}, and plain HTTP is for localhost alone; behind a proxy the registry must be told that it is reached by https`,
      { status },
    );
  }

  private url(repository: string, path: string): URL {
    return new URL(`/v2/${repository}/${path}`, this.origin);
  }

  private where(repository: string): string {
    return `${this.options.registry}/${repository}`;
  }

  error(operation: string, repository: string, said: string, details: RegistryErrorDetails = {}) {
    return new RegistryError(operation, this.where(repository), said, details);
  }
}

/** A body that is there already. */
export function bytes(content: Buffer): NonNullable<Call["body"]> {
  return { content: content.length > 0 ? [content] : [], length: content.length };
}

export function pushScope(repository: string): string {
  return `repository:${repository}:pull,push`;
}

/** Node's own words name the cause by its code; an AggregateError (both address families failed) has no message. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
