import * as http from "node:http";
import type { IncomingMessage } from "node:http";
import * as https from "node:https";
import type { RequestOptions } from "node:https";
import { createSecureContext } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import { setTimeout as pause } from "node:timers/promises";
import { config } from "../../package.json";
import { Deadline, NoResponseError, open, readBody, type HttpRequest } from "../../http";
import type { Body, Method, SendOptions, Transport, WatchEvent, WatchOptions } from "./transport";
import { ApiError, errorOf } from "./errors";
import { Lines } from "./lines";
import { withoutManagedFields } from "./managed-fields";

/** Fields of a request that belong to its connection. Requests with the same fields share connections. */
const OF_CONNECTION = [
  "ca",
  "cert",
  "key",
  "pfx",
  "passphrase",
  "rejectUnauthorized",
  "servername",
] as const satisfies readonly (keyof https.RequestOptions)[];

type Credentials = Pick<https.RequestOptions, (typeof OF_CONNECTION)[number]>;

/** Shorter than the idle timeouts of the API server (90 s in kube-apiserver) and of most load balancers. */
const IDLE_MS = 30_000;

/** Shares one HTTP agent between requests with the same certificates. client-node opens a connection for each request. */
export class Agents {
  private current?: { readonly credentials: object; readonly agent: http.Agent };

  /** Replaces the certificates of the request by the shared agent. */
  assign(options: https.RequestOptions, protocol: string): void {
    const credentials: Credentials = Object.fromEntries(OF_CONNECTION.map((name) => [name, options[name]]));
    for (const name of OF_CONNECTION) delete options[name];
    if (!isDeepStrictEqual(this.current?.credentials, credentials)) {
      // Requests in progress keep their agent; its connections end when they are idle.
      this.current = { credentials, agent: proxyOf(options) ?? newAgent(protocol, credentials) };
    }
    options.agent = this.current?.agent;
  }
}

function newAgent(protocol: string, credentials: Credentials): http.Agent {
  const kept = { keepAlive: true, timeout: IDLE_MS };
  if (protocol === "http:") return new http.Agent(kept);
  const { rejectUnauthorized, servername, ...certificates } = credentials;
  // Once: each connection would parse the certificates, and each request would compare them with those of the open connections.
  const secureContext = createSecureContext(certificates);
  return new https.Agent({ rejectUnauthorized, servername, secureContext, ...kept });
}

/** Returns the proxy of the kubeconfig: an agent of another class, which already has the certificates. */
function proxyOf({ agent }: https.RequestOptions): http.Agent | undefined {
  if (typeof agent !== "object") return undefined;
  return agent.constructor === https.Agent || agent.constructor === http.Agent ? undefined : agent;
}

/** Adds the current certificates and authentication headers to a request. */
export type Connect = (options: RequestOptions) => Promise<void>;

export interface ApiOptions {
  /** Default: `cedana-cdk/<version>`. The API server uses the part before the slash as the field manager. */
  readonly userAgent?: string;
  /** Whether objects are read without `managedFields`. Default: false. */
  readonly withoutManagedFields?: boolean;
  /** Called for each response, and for each request without one: its `code` is then `<error>`. */
  readonly observe?: (request: {
    readonly method: string;
    readonly code: string;
    readonly host: string;
  }) => void;
}

const TIMEOUT_MS = 30_000;

/** Retries of a request to a busy API server (as in client-go). */
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
        const result = await this.exchange(method, this.url(path, query), body, deadline);
        if (!(result instanceof ApiError)) return result;
        const { status, retryAfterMs } = result;
        const wait = status === 429 ? retryAfterMs : undefined;
        if (wait === undefined || attempt === MAX_RETRIES || Date.now() + wait >= end) throw result;
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
        // The idle time excludes the time in which the reader processes an event.
        idle.stop();
        for (const line of lines.push(chunk as Buffer)) yield eventIn(this.inUse(line));
        idle.start();
      }
      lines.end();
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      idle.close();
    }
  }

  /** Sends a request once. @returns the JSON of the response, or its error. @throws Error without a complete response */
  private async exchange(
    method: Method,
    url: URL,
    body: Body | undefined,
    deadline: Deadline,
  ): Promise<unknown> {
    const response = await this.open(method, url, body, deadline);
    const text = (await readBody(response)).toString("utf8");
    return isSuccess(response) ? parsed(this.inUse(text)) : errorOf(response, text);
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

  /** Returns the text of a response without what is not used. */
  private inUse(text: string): string {
    return this.options.withoutManagedFields ? withoutManagedFields(text) : text;
  }

  private url(path: string, query: Readonly<Record<string, string>> = {}): URL {
    // The server's address may have a path, which prefixes that of the API.
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
    throw new Error(`the API server's response is not JSON: ${text.slice(0, 200)}`);
  }
}

function eventIn(line: string): WatchEvent {
  const event = parsed(line) as Partial<WatchEvent> | null;
  if (typeof event?.type !== "string" || typeof event.object !== "object")
    throw new Error(`the API server's response is not a watch event: ${line.slice(0, 200)}`);
  return event as WatchEvent;
}

/** Server that client-node uses without a kubeconfig and outside of a pod. No current API server listens there. */
const DEFAULT_SERVER = "http://localhost:8080";

/**
 * Connects to the cluster of a kubeconfig's context. Reads the given file, else KUBECONFIG, else ~/.kube/config, else the
 * ServiceAccount of the pod.
 * @throws Error if none of these exists, or the kubeconfig cannot be read or does not have the context
 */
export async function connectByKubeconfig(
  options: { readonly file?: string; readonly context?: string } & ApiOptions = {},
): Promise<KubernetesApi> {
  // Imported here, because loading the library takes half a second.
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  if (options.file === undefined) config.loadFromDefault();
  else config.loadFromFile(options.file);
  if (options.file === undefined && config.getCurrentCluster()?.server === DEFAULT_SERVER)
    throw new Error(
      "none found; set --kubeconfig or KUBECONFIG, create ~/.kube/config (aws eks update-kubeconfig), or run in a pod with a ServiceAccount",
    );
  if (options.context !== undefined) config.setCurrentContext(options.context);
  const cluster = config.getCurrentCluster();
  if (!cluster)
    throw new Error(`the kubeconfig has no cluster for context ${config.getCurrentContext() || "(none)"}`);
  return new KubernetesApi(cluster.server, (request) => config.applyToHTTPSOptions(request), options);
}
