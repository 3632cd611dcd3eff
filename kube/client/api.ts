import type { IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { Deadline, NoResponseError, open, readBody, type HttpRequest } from "../../http";
import { config } from "../../package.json";
import { Agents } from "./agents";
import type { Body, Method, SendOptions, Transport, WatchEvent, WatchOptions } from "./transport";
import { ApiError, errorOf } from "./errors";
import { Lines } from "./lines";

/** Adds certificates and headers of authentication to a request, as they are now. */
export type Connect = (options: RequestOptions) => Promise<void>;

export interface ApiOptions {
  /** Default: `cedana-cdk/<version>`. The API server takes what is before the slash as the field manager. */
  readonly userAgent?: string;
  /** Called for each response, and for each request without one: its `code` is then `<error>`. */
  readonly observe?: (request: {
    readonly method: string;
    readonly code: string;
    readonly host: string;
  }) => void;
}

const TIMEOUT_MS = 30_000;

/** How often a busy API server is asked again (client-go asks as often). */
const MAX_RETRIES = 10;

/** The API server at an address. Connections are kept and shared. */
export class KubernetesApi implements Transport {
  private readonly agents = new Agents();
  private readonly base: string;
  private readonly userAgent: string;

  constructor(
    server: string,
    private readonly connect: Connect,
    private readonly options: ApiOptions = {},
  ) {
    this.base = server.endsWith("/") ? server : `${server}/`;
    this.userAgent = options.userAgent ?? `cedana-cdk/${config.version}`;
  }

  async send(method: Method, path: string, body?: Body, options: SendOptions = {}): Promise<unknown> {
    const { timeoutMs = TIMEOUT_MS, signal, query } = options;
    const end = Date.now() + timeoutMs;
    const deadline = new Deadline(timeoutMs, `no response within ${timeoutMs / 1000} s`, signal);
    try {
      for (let attempt = 0; ; attempt++) {
        const answer = await this.exchange(method, this.url(path, query), body, deadline);
        if (!(answer instanceof ApiError)) return answer;
        const { status, retryAfterMs } = answer;
        const wait = status === 429 ? retryAfterMs : undefined;
        if (wait === undefined || attempt === MAX_RETRIES || Date.now() + wait >= end) throw answer;
        await deadline.race(pause(wait, undefined, { signal: deadline.signal }));
      }
    } catch (error) {
      if (error instanceof NoResponseError) signal?.throwIfAborted();
      throw error;
    } finally {
      deadline.close();
    }
  }

  async *watch(path: string, options: WatchOptions): AsyncGenerator<WatchEvent> {
    const { idleTimeoutMs, signal } = options;
    const idle = new Deadline(idleTimeoutMs, `nothing received for ${idleTimeoutMs / 1000} s`, signal);
    try {
      const url = this.url(path, { ...options.query, watch: "true" });
      const response = await this.open("GET", url, undefined, idle);
      idle.start();
      if (!isSuccess(response)) throw errorOf(response, (await readBody(response)).toString("utf8"));
      options.onOpen?.();
      const lines = new Lines();
      for await (const chunk of response) {
        // Silence is the API server's; the time that the reader takes for an event is not.
        idle.stop();
        for (const line of lines.push(chunk as Buffer)) yield eventIn(line);
        idle.start();
      }
      lines.end();
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      idle.close();
    }
  }

  /** @returns the answer, or the error that it is. @throws Error where there is none */
  private async exchange(
    method: Method,
    url: URL,
    body: Body | undefined,
    deadline: Deadline,
  ): Promise<unknown> {
    const response = await this.open(method, url, body, deadline);
    const text = (await readBody(response)).toString("utf8");
    return isSuccess(response) ? parsed(text) : errorOf(response, text);
  }

  private async open(
    method: Method,
    url: URL,
    body: Body | undefined,
    deadline: Deadline,
  ): Promise<IncomingMessage> {
    const observe = (code: string) => this.options.observe?.({ method, code, host: url.host });
    try {
      const request = { method, headers: this.headers(body) };
      await deadline.race(this.connect(request));
      this.agents.assign(request, url.protocol);
      const content = body && JSON.stringify(body.content);
      const response = await open({ ...(request as ConnectedRequest), url, body: content }, deadline);
      observe(String(response.statusCode));
      return response;
    } catch (error) {
      observe("<error>");
      throw error;
    }
  }

  private url(path: string, query: Readonly<Record<string, string>> = {}): URL {
    // The server's address may have a path of its own, below which the API is.
    const url = new URL(`./${path.replace(/^\/+/, "")}`, this.base);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url;
  }

  private headers(body?: Body) {
    return {
      accept: "application/json",
      "user-agent": this.userAgent,
      ...(body ? { "content-type": body.type } : {}),
    };
  }
}

/** A request after `Connect` and `Agents`. */
type ConnectedRequest = Pick<HttpRequest, "method" | "headers" | "agent" | "auth">;

function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

function parsed(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`the API server's answer is no JSON: ${text.slice(0, 200)}`);
  }
}

function eventIn(line: string): WatchEvent {
  const event = parsed(line) as Partial<WatchEvent> | null;
  if (typeof event?.type !== "string" || typeof event.object !== "object")
    throw new Error(`the API server's answer is no event of a watch: ${line.slice(0, 200)}`);
  return event as WatchEvent;
}
