import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Informer } from "../cache/cache";

/** How late a timer may be, how often that is measured, and how long a stuck loop is reported. */
const STUCK_MS = 10_000;
const BEAT_MS = 1_000;
const REMEMBERED_MS = 60_000;

/**
 * The API server responds to an informer every 50 s at the latest, since no watch is longer or silent for longer. An
 * informer without a response for longer than this does not recover by itself.
 */
const SILENT_MS = 600_000;

/**
 * Fails for a minute after the event loop was stuck for more than 10 s. While it is stuck no probe gets a response, and fails
 * by its timeout.
 */
export class EventLoopCheck implements HealthCheck {
  readonly name = "event-loop";
  private lastMs = performance.now();
  private stuck?: { readonly ms: number; readonly atMs: number };
  private readonly timer = setInterval(() => this.beat(), BEAT_MS).unref();

  failure(): string | undefined {
    const { stuck } = this;
    if (stuck === undefined || performance.now() - stuck.atMs > REMEMBERED_MS) return undefined;
    return `was stuck for ${Math.round(stuck.ms)} ms`;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private beat(): void {
    const now = performance.now();
    const ms = now - this.lastMs - BEAT_MS;
    this.lastMs = now;
    if (ms > STUCK_MS) this.stuck = { ms, atMs: now };
  }
}

/** Fails while the lease has expired and the process has not ended. */
export function leaseCheck(elector: { failure(): string | undefined }): HealthCheck {
  return { name: "leader-election", failure: () => elector.failure() };
}

/**
 * Checks of each informer whether it has its first list, or the API server denied it: a missing permission or kind concerns
 * what needs it, and no other function of the process. Replicas that do not lead are ready too.
 */
export function syncChecks(informers: readonly Informer[]): HealthCheck[] {
  return informers.map((informer) => ({
    name: `synced-${informer.name}`,
    failure: () => (informer.hasSynced || informer.denied ? undefined : "has not read its first list"),
  }));
}

/**
 * Checks of each informer whether the API server responded in the last 10 minutes. A denial (403, 404)
 * is a response: a restart would not fix it. One without its first list is reported by `syncChecks`.
 */
export function contactChecks(informers: readonly Informer[]): HealthCheck[] {
  return informers.map((informer) => ({
    name: `contact-${informer.name}`,
    failure: () => {
      const silentMs = informer.hasSynced ? Date.now() - informer.lastContactMs : 0;
      return silentMs > SILENT_MS
        ? `no response of the API server for ${Math.round(silentMs / 1000)} s`
        : undefined;
    },
  }));
}

/** One check of a probe. */
export interface HealthCheck {
  readonly name: string;
  /** Returns the failure; undefined if the check passes. */
  failure(): string | undefined;
}

/** The response of one path. */
export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}
export type Routes = Readonly<Record<string, (query: URLSearchParams) => Reply | Promise<Reply>>>;

const TEXT = "text/plain; charset=utf-8";

/**
 * Returns the probes `/healthz` and `/readyz`: 200 `ok`, or 503 with the failures. With `?verbose` all checks are listed, as the
 * API server lists its own.
 */
export function probes(checks: {
  readonly healthz: readonly HealthCheck[];
  readonly readyz: readonly HealthCheck[];
}): Routes {
  return {
    "/healthz": (query) => probe("healthz", checks.healthz, query),
    "/readyz": (query) => probe("readyz", checks.readyz, query),
  };
}

function probe(path: string, checks: readonly HealthCheck[], query: URLSearchParams): Reply {
  const results = checks.map((check) => ({ name: check.name, wrong: check.failure() }));
  const failed = results.some(({ wrong }) => wrong !== undefined);
  const status = failed ? 503 : 200;
  if (!failed && !query.has("verbose")) return { status, type: TEXT, text: "ok" };
  const lines = results.map(({ name, wrong }) =>
    wrong === undefined ? `[+]${name} ok` : `[-]${name} failed: ${wrong}`,
  );
  const end = failed ? `${path} check failed` : `${path} check passed`;
  return { status, type: TEXT, text: `${[...lines, end].join("\n")}\n` };
}

/** Returns the route `/metrics`, in Prometheus' text format. */
export function metricsRoute(registry: { readonly contentType: string; metrics(): Promise<string> }): Routes {
  return {
    "/metrics": async () => ({ status: 200, type: registry.contentType, text: await registry.metrics() }),
  };
}

/** A small HTTP server for probes and metrics: GET and HEAD of the paths given, nothing else. */
export class StatusServer {
  private readonly server: Server;

  constructor(routes: Routes) {
    this.server = createServer(
      { maxHeaderSize: 8_192, requestTimeout: 5_000, headersTimeout: 5_000 },
      (request, response) => {
        respond(routes, request).then(
          (result) => reply(response, result, request.method === "HEAD"),
          (error: unknown) => reply(response, { status: 500, type: TEXT, text: `${String(error)}\n` }, false),
        );
      },
    );
    this.server.keepAliveTimeout = 5_000;
    this.server.maxConnections = 100;
    // It does not keep the process alive.
    this.server.unref();
  }

  /**
   * @param port 0 for any free one
   * @returns the port
   * @throws Error if the port cannot be bound
   */
  listen(port: number, host?: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen({ port, host }, () => {
        this.server.off("error", reject);
        resolve((this.server.address() as AddressInfo).port);
      });
    });
  }

  /** Ends all connections. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}

async function respond(routes: Routes, request: IncomingMessage): Promise<Reply> {
  if (request.method !== "GET" && request.method !== "HEAD")
    return { status: 405, type: TEXT, text: "only GET and HEAD\n" };
  const [path = "", query] = (request.url ?? "").split("?", 2);
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  return route ? route(new URLSearchParams(query)) : { status: 404, type: TEXT, text: "not found\n" };
}

function reply(response: ServerResponse, { status, type, text }: Reply, headOnly: boolean): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(status === 405 && { allow: "GET, HEAD" }),
  });
  response.end(headOnly ? undefined : text);
}
