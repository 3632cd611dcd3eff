import { randomInt } from "node:crypto";
import { Agent as PlainAgent } from "node:http";
import { Agent as SecureAgent } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import {
  Deadline,
  exchange,
  messageOf,
  open,
  readBody,
  RequestBodyError,
  type HttpRequest,
  type HttpResponse,
} from "../../http";
import { config } from "../../package.json";
import { AuthorizationError, Authorizer } from "./authorization";
import type { Credentials } from "./docker-config";
import { RegistryError, responseError, type RegistryErrorDetails } from "./errors";
import { isLoopback, originOf } from "./reference";

export interface RegistryOptions {
  /** Host, with its port if it has one: `ImageReference.registry`. */
  readonly registry: string;
  readonly credentials?: Credentials;
  /** For one request without a blob. Default: 60,000. */
  readonly timeoutMs?: number;
  /** For one attempt to send or receive a blob. Default: 3,600,000. */
  readonly uploadTimeoutMs?: number;
  /** The longest time without a byte in either direction. Default: 60,000. */
  readonly idleTimeoutMs?: number;
  /** Attempts of one operation. Default: 5. */
  readonly attempts?: number;
  /** Before the first retry, doubled each time, at most 10 s, with jitter. Default: 250. */
  readonly baseDelayMs?: number;
}

export interface Request {
  readonly operation: string;
  readonly repository: string;
  readonly method: HttpRequest["method"];
  /** Path below `/v2/<repository>/`, or a location from the registry. */
  readonly to: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called for each attempt. */
  readonly body?: () => HttpRequest["body"];
  /** Of the token. Default: pull and push on the repository. */
  readonly scope?: string;
  /** Whether the body is a blob, which takes long. The registry may read all of it again before it responds. */
  readonly isUpload?: boolean;
  /** Statuses that are not errors. */
  readonly accepted: readonly number[];
  readonly signal?: AbortSignal;
}

/** A response and the URL that it came from: after redirects, another one than that of the request. */
export interface LocatedResponse extends HttpResponse {
  readonly url: URL;
}

type Call = Pick<HttpRequest, "method" | "url" | "headers" | "body">;

/** For one blob. */
const TRANSFER_TIMEOUT_MS = 3_600_000;
/** Of a response that is an error. */
const MAX_ERROR_BYTES = 1 << 20;
const MAX_DELAY_MS = 10_000;
const MAX_RETRY_AFTER_MS = 60_000;
const MAX_REDIRECTS = 5;
/** Some registries copy a blob in their storage before they respond; tens of gigabytes take minutes. */
const COMMIT_TIMEOUT_MS = 600_000;

/** Requests to one registry: authorization, redirects, timeouts and retries. */
export class Transport {
  readonly origin: URL;
  private readonly agent: PlainAgent;
  private readonly authorizer: Authorizer;

  constructor(private readonly options: RegistryOptions) {
    this.origin = originOf(options.registry);
    const plain = this.origin.protocol === "http:";
    this.agent = new (plain ? PlainAgent : SecureAgent)({ keepAlive: true });
    this.authorizer = new Authorizer(options.credentials, this.origin, (request) => this.exchange(request));
  }

  /** Closes idle connections. */
  close(): void {
    this.agent.destroy();
  }

  /** Runs an operation until it succeeds, fails with an error that no retry fixes, or has no attempts left. */
  async retried<T>(operation: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await operation();
      } catch (error) {
        await this.backOff(error, attempt, signal);
      }
    }
  }

  /** Waits before the next attempt. @throws the error, if no retry fixes it or no attempt is left */
  async backOff(error: unknown, attempt: number, signal?: AbortSignal): Promise<void> {
    const { attempts = 5, baseDelayMs = 250 } = this.options;
    if (!(error instanceof RegistryError) || !error.retryable || attempt >= attempts) throw error;
    const { retryAfterMs = 0 } = error;
    if (retryAfterMs > MAX_RETRY_AFTER_MS) throw error;
    const delay = Math.min(baseDelayMs * 2 ** (attempt - 1), MAX_DELAY_MS);
    const jittered = delay / 2 + randomInt(Math.ceil(delay / 2) + 1);
    await pause(Math.max(retryAfterMs, jittered), undefined, { signal });
  }

  /** Sends one request. @throws RegistryError; errors of the body, unchanged; the signal's reason */
  async send(request: Request): Promise<LocatedResponse> {
    const { signal, isUpload } = request;
    return this.follow(request, (call) => this.exchange(call, signal, isUpload));
  }

  /**
   * Sends one request whose accepted response is long. The content can be read once; it throws RegistryError or the
   * signal's reason.
   *
   * @throws as `send`
   */
  async receive(
    request: Request,
  ): Promise<Pick<HttpResponse, "status"> & { content: AsyncIterable<Buffer> }> {
    const { operation, repository, accepted, signal } = request;
    const { uploadTimeoutMs = TRANSFER_TIMEOUT_MS } = this.options;
    const deadline = new Deadline(uploadTimeoutMs, `incomplete after ${uploadTimeoutMs / 1000} s`, signal);
    let body: Awaited<ReturnType<typeof open>> | undefined;
    try {
      const { status } = await this.follow(request, async (call) => {
        const response = await open(this.prepared(call), deadline);
        const { statusCode = 0, headers } = response;
        if (!accepted.includes(statusCode))
          return { status: statusCode, headers, body: await readBody(response, MAX_ERROR_BYTES) };
        body = response;
        return { status: statusCode, headers, body: Buffer.alloc(0) };
      });
      return { status, content: this.contentOf(operation, repository, body!, deadline, signal) };
    } catch (error) {
      deadline.close();
      throw error;
    }
  }

  private async *contentOf(
    operation: string,
    repository: string,
    response: AsyncIterable<Buffer>,
    deadline: Deadline,
    signal?: AbortSignal,
  ): AsyncGenerator<Buffer> {
    try {
      yield* response;
    } catch (error) {
      signal?.throwIfAborted();
      throw this.error(operation, repository, messageOf(error), { cause: error });
    } finally {
      deadline.close();
    }
  }

  /** Sends a request, again after a challenge, and at another place after a redirect. */
  private async follow(
    request: Request,
    run: (call: Call) => Promise<HttpResponse>,
  ): Promise<LocatedResponse> {
    const { operation, repository, accepted, signal, scope = pushScope(repository) } = request;
    let url = typeof request.to === "string" ? this.url(repository, request.to) : request.to;
    try {
      let authorization = await this.authorizer.header(scope);
      let challenged = false;
      for (let redirects = 0; ;) {
        // Credentials are for the registry alone, not for the store that it redirects to.
        const isRegistry = url.origin === this.origin.origin;
        const headers = { ...request.headers, ...(isRegistry && authorization ? { authorization } : {}) };
        const { method } = request;
        const response = await run({ method, url, headers, body: request.body?.() });
        const { status } = response;
        if (accepted.includes(status)) return { ...response, url };
        if (status === 401 && isRegistry && !challenged) {
          challenged = true;
          const challenge = response.headers["www-authenticate"] ?? "";
          const next = await this.authorizer.challenged(challenge, scope, authorization);
          if (next !== undefined && next !== authorization) {
            authorization = next;
            continue;
          }
        }
        if (!isRedirect(status, method) || ++redirects > MAX_REDIRECTS)
          throw responseError(operation, this.where(repository), response);
        url = this.location(operation, repository, response, url);
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof RequestBodyError) throw error.cause;
      if (error instanceof RegistryError) throw error;
      const status = error instanceof AuthorizationError ? error.status : undefined;
      throw this.error(operation, repository, messageOf(error), { status, cause: error });
    }
  }

  private exchange(call: Call, signal?: AbortSignal, isUpload = false): Promise<HttpResponse> {
    const { timeoutMs = 60_000, uploadTimeoutMs = TRANSFER_TIMEOUT_MS } = this.options;
    const responseIdleTimeoutMs = isUpload ? COMMIT_TIMEOUT_MS : undefined;
    return exchange(
      { ...this.prepared(call), responseIdleTimeoutMs },
      { timeoutMs: isUpload ? uploadTimeoutMs : timeoutMs, signal },
    );
  }

  private prepared(call: Call): HttpRequest {
    const { idleTimeoutMs = 60_000 } = this.options;
    const headers = { "user-agent": `cedana-cdk/${config.version}`, ...call.headers };
    const agent = call.url.protocol === this.origin.protocol ? this.agent : undefined;
    return { ...call, headers, agent, idleTimeoutMs };
  }

  /** Returns the location in a response, which must be as safe as the registry. */
  location(operation: string, repository: string, { status, headers }: HttpResponse, base: URL): URL {
    const { location } = headers;
    if (location === undefined || !URL.canParse(location, base.href))
      throw this.error(operation, repository, "the response has no location", { status });
    const url = new URL(location, base);
    const plain = url.protocol === "http:" && this.origin.protocol === "http:" && isLoopback(url);
    if ((url.protocol === "https:" || plain) && url.username === "" && url.password === "") return url;
    const message = `redirected to ${url.protocol}//${url.host}, but plain HTTP is allowed for localhost only; behind a proxy, configure the registry's external URL as https`;
    throw this.error(operation, repository, message, { status });
  }

  private url(repository: string, path: string): URL {
    return new URL(`/v2/${repository}/${path}`, this.origin);
  }

  private where(repository: string): string {
    return `${this.options.registry}/${repository}`;
  }

  /** Returns the error of a response. */
  responseError(operation: string, repository: string, response: HttpResponse): RegistryError {
    return responseError(operation, this.where(repository), response);
  }

  error(operation: string, repository: string, reason: string, details: RegistryErrorDetails = {}) {
    return new RegistryError(operation, this.where(repository), reason, details);
  }
}

/** Only 307 and 308 keep the method and the body of a request (RFC 9110, 15.4). */
function isRedirect(status: number, method: string): boolean {
  const keepsMethod = [307, 308].includes(status);
  return keepsMethod || ([301, 302, 303].includes(status) && ["GET", "HEAD"].includes(method));
}

export function pushScope(repository: string): string {
  return `repository:${repository}:pull,push`;
}
