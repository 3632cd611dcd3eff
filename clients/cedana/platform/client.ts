import { readFile } from "node:fs/promises";
import { exchange, messageOf, type HttpResponse, type Json } from "../../../http";
import { PlatformError, platformError, statusError, type PlatformOperation } from "./errors";
import { idIn, policiesIn, requestOf, type HeartbeatPolicy, type PlatformPolicy } from "./policies";

export interface PlatformClientOptions {
  /** URL of the platform, with https. Plain HTTP is for localhost only. Its path is not used. */
  readonly url: string;
  /** File with the token. It is read for each request, so that a new one needs no restart. */
  readonly tokenFile: string;
  /** Time from the request to the end of the response. Default: 30,000. */
  readonly timeoutMs?: number;
  /** Called with the result of each request. */
  readonly observe?: (operation: PlatformOperation, error: PlatformError | undefined) => void;
}

/** Bounds of one request. */
export interface PlatformRequestOptions {
  readonly signal?: AbortSignal;
  /** Time on `performance.now()` after which nothing is sent. Default: none. */
  readonly endMs?: number;
}

interface Call {
  readonly operation: PlatformOperation;
  readonly method: "GET" | "POST" | "DELETE";
  readonly body?: Json;
}

const CONNECT_TIMEOUT_MS = 10_000;
const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Client of the policies of Cedana's platform. It repeats no request: the caller decides which are safe to repeat.
 *
 * All methods throw PlatformError, or the signal's reason if nothing was sent.
 */
export class PlatformClient {
  private readonly url: URL;

  /** @throws TypeError if `url` is not a URL, or would send the token in plain text */
  constructor(private readonly options: PlatformClientOptions) {
    this.url = new URL(options.url);
    const { protocol, hostname } = this.url;
    if (protocol !== "https:" && !(protocol === "http:" && LOCAL.includes(hostname)))
      throw new TypeError("the URL of the platform must begin with https://");
  }

  /** Returns the policies of all clusters of the organization: the API does not name the cluster of a policy. */
  list(options: PlatformRequestOptions = {}): Promise<readonly PlatformPolicy[]> {
    return this.send({ operation: "list", method: "GET" }, policiesIn, options);
  }

  /** Creates a policy. @returns its id */
  create(policy: HeartbeatPolicy, options: PlatformRequestOptions = {}): Promise<string> {
    return this.send({ operation: "create", method: "POST", body: requestOf(policy) }, idIn, options);
  }

  /** Replaces a policy. @returns its id */
  update(id: string, policy: HeartbeatPolicy, options: PlatformRequestOptions = {}): Promise<string> {
    return this.send({ operation: "update", method: "POST", body: requestOf(policy, id) }, idIn, options);
  }

  delete(id: string, options: PlatformRequestOptions = {}): Promise<void> {
    return this.send({ operation: "delete", method: "DELETE", body: { id } }, () => undefined, options);
  }

  private async send<T>(call: Call, read: (text: string) => T, options: PlatformRequestOptions): Promise<T> {
    const { operation } = call;
    try {
      const token = await this.token(operation);
      const response = await this.exchange(call, token, options);
      if (response.status < 200 || response.status >= 300) throw statusError(operation, response, token);
      // An error quotes the response, which may repeat the token.
      const result = read(response.body.toString("utf8").replaceAll(token, "***"));
      this.options.observe?.(operation, undefined);
      return result;
    } catch (cause) {
      const error = platformError(operation, cause);
      if (error instanceof PlatformError) this.options.observe?.(operation, error);
      throw error;
    }
  }

  private exchange(
    { operation, method, body }: Call,
    token: string,
    { signal, endMs = Infinity }: PlatformRequestOptions,
  ): Promise<HttpResponse> {
    const timeoutMs = Math.min(this.options.timeoutMs ?? 30_000, endMs - performance.now());
    if (timeoutMs <= 0) throw new PlatformError(operation, "the request was not sent in time", "refused");
    return exchange(
      {
        method,
        // Its path ends with the operation.
        url: new URL(`/v2/policy/${operation}`, this.url),
        headers: {
          accept: "application/json, text/plain",
          authorization: `Bearer ${token}`,
          "user-agent": "cedana-controller",
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
      },
      { timeoutMs, ...(signal && { signal }) },
    );
  }

  private async token(operation: PlatformOperation): Promise<string> {
    const { tokenFile } = this.options;
    const fail = (why: string) =>
      new PlatformError(operation, `${why}; check the Secret of engine.secrets.authToken`, "refused");
    const text = await readFile(tokenFile, "utf8").catch((error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      throw fail(`the token cannot be read from ${tokenFile}: ${code ?? messageOf(error)}`);
    });
    const token = text.trim();
    if (/^[\x21-\x7E]+$/.test(token)) return token;
    throw fail(`the token in ${tokenFile} is empty, or has spaces or control characters`);
  }
}
