import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One thing that a probe looks at. */
export interface HealthCheck {
  readonly name: string;
  /** @returns what is wrong; undefined if nothing is */
  trouble(): string | undefined;
}

/** What one path answers: status, content type and text. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}
export type Routes = Readonly<Record<string, (query: URLSearchParams) => Answer | Promise<Answer>>>;

const TEXT = "text/plain; charset=utf-8";

/**
 * The probes `/healthz` and `/readyz`: 200 `ok`, or 503 with what is wrong. With `?verbose` all checks are listed, as the
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

function probe(path: string, checks: readonly HealthCheck[], query: URLSearchParams): Answer {
  const results = checks.map((check) => ({ name: check.name, wrong: check.trouble() }));
  const failed = results.some(({ wrong }) => wrong !== undefined);
  const status = failed ? 503 : 200;
  if (!failed && !query.has("verbose")) return { status, type: TEXT, text: "ok" };
  const lines = results.map(({ name, wrong }) =>
    wrong === undefined ? `[+]${name} ok` : `[-]${name} failed: ${wrong}`,
  );
  const end = failed ? `${path} check failed` : `${path} check passed`;
  return { status, type: TEXT, text: `${[...lines, end].join("\n")}\n` };
}

/** `/metrics` in Prometheus' text format. */
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
        answer(routes, request).then(
          (result) => reply(response, result, request.method === "HEAD"),
          (error: unknown) => reply(response, { status: 500, type: TEXT, text: `${String(error)}\n` }, false),
        );
      },
    );
    this.server.keepAliveTimeout = 5_000;
    this.server.maxConnections = 100;
    // Its probes say what is wrong; it keeps no process alive by itself.
    this.server.unref();
  }

  /**
   * @param port 0 for any free one
   * @returns the port
   * @throws Error if the port cannot be had
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

async function answer(routes: Routes, request: IncomingMessage): Promise<Answer> {
  if (request.method !== "GET" && request.method !== "HEAD")
    return { status: 405, type: TEXT, text: "only GET and HEAD\n" };
  const [path = "", query] = (request.url ?? "").split("?", 2);
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  return route ? route(new URLSearchParams(query)) : { status: 404, type: TEXT, text: "not found\n" };
}

function reply(response: ServerResponse, { status, type, text }: Answer, headOnly: boolean): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(status === 405 && { allow: "GET, HEAD" }),
  });
  response.end(headOnly ? undefined : text);
}
