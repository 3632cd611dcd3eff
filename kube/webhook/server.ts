import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { sleep } from "../backoff";
import type { Logger } from "../log";
import type { HealthCheck } from "../process/health";
import { Bodies, RefusedBodyError } from "./body";
import { ConnectionQueue } from "./connection-queue";
import { ConnectionLimit, RateLimit, Slots, sourceOf, type Limit, type Rate, type Refusal } from "./limits";
import { headersOf, PlainLimits, type PlainHandler, type PlainRules } from "./plain";
import { ServedCertificate, type CertificatePair, type CertificateTimes } from "./served-certificate";
import { InvalidReviewError, readReview, writeReview, type AdmissionHandler } from "./review";

/** An API server opens one connection for each pod that is created at the same time. A connection needs about 50 KiB. */
const CONNECTIONS: Limit = { total: 512, perSource: 128 };
/** API servers keep their connections; a burst of pods opens many at once. A handshake costs about a millisecond. */
const HANDSHAKES: Rate = { burst: 128, perSecond: 20 };
/** Connections that wait to be accepted. Beyond it, a client tries again after seconds. */
const BACKLOG = 1_024;
/** Reviews that are decided at the same time. */
const DECISIONS: Limit = { total: 128, perSource: 32 };
/** How long a client may take for the TLS handshake, then for the headers. */
const HANDSHAKE_MS = 3_000;
const HEADERS_MS = 3_000;
/** Delay of the response to a refused request. */
const REFUSED_MS = 1_000;
/** From the headers until the response is sent: a client that does not read it is disconnected. */
const RESPONSE_MS = 10_000;

/**
 * How long requests are accepted after the signal to stop: until all API servers and nodes know that the Service has one
 * endpoint less. Kubernetes gives no bound; it takes a second or two.
 */
export const DRAIN_MS = 8_000;
/** How long requests in progress may take when the server closes: the API server waits for 5 s. */
export const FINISH_MS = 5_000;

export interface WebhookServerOptions {
  readonly port: number;
  /** By path: `/restore`. */
  readonly handlers: Readonly<Record<string, AdmissionHandler>>;
  /** Requests of other paths. Default: 404. */
  readonly plain?: PlainRules & { readonly handle: PlainHandler };
  readonly log: Logger;
  /** Default: 8,000. */
  readonly drainMs?: number;
  /** Called for each connection or request that is refused by a limit. */
  readonly onRefused?: (refusal: Refusal, count: number) => void;
}

/** A server of admission webhooks, in this process or another one. */
export interface Webhook {
  /** Checks whether it serves with a certificate: for `/readyz`. */
  readonly check: HealthCheck;
  /** When the certificate that is served is valid; undefined without one. */
  readonly validity: CertificateTimes | undefined;
  /** Serves this certificate from now on; open connections keep theirs. An invalid one is logged and ignored. */
  use(pair: CertificatePair): void;
  /** @returns the port */
  start(): Promise<number>;
  /** Serves on for 8 s, but is not Ready, and keeps no connection. */
  drain(): Promise<void>;
  /**
   * Accepts no more requests, and gives those in progress 5 s. For requests that it cuts off the API server applies the
   * webhook's failurePolicy.
   */
  close(): Promise<void>;
}

/**
 * HTTPS server of admission webhooks. Without a certificate it rejects every connection. Its callers are anonymous: connections,
 * bytes and times are limited, for each source address and in total.
 */
export class WebhookServer implements Webhook {
  private readonly server: Server;
  private readonly certificate: ServedCertificate;
  private stopping = false;
  private readonly bodies: Bodies;
  private readonly plainLimits?: PlainLimits;
  private readonly decisions = new Slots(DECISIONS);
  /** Connections with a request in progress. */
  private readonly active = new WeakSet<Socket>();
  private readonly connections = new ConnectionLimit(
    CONNECTIONS,
    () => this.refused("connections"),
    new RateLimit(HANDSHAKES),
  );

  constructor(private readonly options: WebhookServerOptions) {
    this.certificate = new ServedCertificate(options.log);
    this.bodies = new Bodies(options.plain?.maxBytes);
    if (options.plain) this.plainLimits = new PlainLimits(options.plain);
    this.server = createServer(
      {
        minVersion: "TLSv1.2",
        handshakeTimeout: HANDSHAKE_MS,
        headersTimeout: HEADERS_MS,
        requestTimeout: RESPONSE_MS,
        // Default: 30 s, during which connections without a request stay open.
        connectionsCheckingInterval: 1_000,
        maxHeaderSize: 16_384,
      },
      (request, response) => void this.serve(request, response),
    );
    this.limitConnections();
    this.server.keepAliveTimeout = 60_000;
    // Port scans and probes of the Service are normal.
    this.server.on("tlsClientError", (error: NodeJS.ErrnoException) => {
      if (error.code === "ERR_TLS_HANDSHAKE_TIMEOUT") this.refused("time");
      options.log.debug({ error: String(error) }, "webhook: TLS");
    });
    this.server.unref();
  }

  get check(): HealthCheck {
    return {
      name: "webhook-certificate",
      failure: () => (this.stopping ? "the process is stopping" : this.certificate.failure),
    };
  }

  get validity(): CertificateTimes | undefined {
    return this.certificate.validity;
  }

  use(pair: CertificatePair): void {
    const load = ({ cert, key }: CertificatePair) =>
      this.server.setSecureContext({ cert, key, minVersion: "TLSv1.2" });
    if (this.certificate.use(pair, load)) this.options.log.info("webhook: certificate loaded");
  }

  async start(): Promise<number> {
    return new Promise<number>((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen({ port: this.options.port, backlog: BACKLOG }, () => {
        this.server.off("error", reject);
        resolve((this.server.address() as AddressInfo).port);
      });
    });
  }

  async drain(): Promise<void> {
    this.stopping = true;
    if (this.certificate.pair === undefined) return;
    await sleep(this.options.drainMs ?? DRAIN_MS);
  }

  close(): Promise<void> {
    this.stopping = true;
    return new Promise((resolve) => {
      const cut = setTimeout(() => this.server.closeAllConnections(), FINISH_MS);
      this.server.close(() => {
        clearTimeout(cut);
        resolve();
      });
      this.server.closeIdleConnections();
    });
  }

  /** Limits and orders connections before their TLS handshake, which the server's own listeners begin. */
  private limitConnections(): void {
    const { server } = this;
    const begin = server.listeners("connection");
    const queue = new ConnectionQueue((socket) => {
      for (const listener of begin) Reflect.apply(listener, server, [socket]);
    });
    server.removeAllListeners("connection");
    server.on("connection", (socket: Socket) => {
      if (!this.connections.accept(socket)) return queue.arrive();
      // Without a reader, a reset is an error that would end the process.
      socket.on("error", () => undefined);
      queue.add(socket);
    });
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = ""] = (request.url ?? "").split("?", 1);
    const { handlers, plain, log } = this.options;
    const { socket } = request;
    // API servers wait for a response before the next request of a connection.
    if (this.active.has(socket)) {
      if (!socket.destroyed) this.refused("connections");
      socket.destroy();
      return;
    }
    this.active.add(socket);
    response.once("close", () => this.active.delete(socket));
    const source = sourceOf(socket);
    const late = setTimeout(() => {
      this.refused("time");
      socket.destroy();
    }, RESPONSE_MS);
    response.once("close", () => clearTimeout(late));
    if (this.stopping) response.setHeader("connection", "close");
    const handler = Object.hasOwn(handlers, path) ? handlers[path] : undefined;
    if (!handler && !plain) return this.end(response, 404, "not found");
    if (request.method !== "POST") return this.end(response, 405, "only POST");
    try {
      if (!handler) return await this.servePlain(path, request, response);
      const text = await this.bodies.use(request, source, (body) =>
        this.decisions.run(source, async () => {
          const review = readReview(body);
          return writeReview(review.uid, await handler(review));
        }),
      );
      // It may have begun to stop meanwhile.
      if (this.stopping) response.setHeader("connection", "close");
      reply(response, 200, text, "application/json");
    } catch (error) {
      if (error instanceof InvalidReviewError) return this.end(response, 400, error.message);
      if (error instanceof RefusedBodyError) {
        this.refused(error.refusal);
        return this.end(response, error.status, error.message);
      }
      // The client closed the connection.
      if (request.destroyed && !request.complete) return;
      log.warn({ err: error, path }, "webhook: no decision");
      reply(response, 503, "no decision could be made");
    }
  }

  /** Serves a request that is no review. */
  private async servePlain(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { plain } = this.options;
    if (!plain) return this.end(response, 404, "not found");
    const source = sourceOf(request.socket);
    const refusal = this.plainLimits?.take(source, performance.now());
    if (refusal !== undefined) {
      this.refused(refusal);
      return this.end(response, 429, "too many requests");
    }
    const headers = headersOf(request, plain.headers);
    const { status, text, retryAfterSeconds } = await this.bodies.use(request, source, (body) =>
      this.decisions.run(source, () => plain.handle({ path, headers, body })),
    );
    if (retryAfterSeconds !== undefined) response.setHeader("retry-after", retryAfterSeconds);
    if (status >= 400) return this.end(response, status, text);
    if (this.stopping) response.setHeader("connection", "close");
    return reply(response, status, text);
  }

  /**
   * Responds after a second to what no API server sends, and ends the connection. The rest of the body is not read. A client that
   * could connect again at once would cost a TLS handshake each time.
   */
  private async end(response: ServerResponse, status: number, text: string): Promise<void> {
    await sleep(REFUSED_MS);
    if (!response.destroyed) response.setHeader("connection", "close");
    reply(response, status, text);
  }

  private refused(refusal: Refusal): void {
    this.options.onRefused?.(refusal, 1);
  }
}

function reply(
  response: ServerResponse,
  status: number,
  text: string,
  type = "text/plain; charset=utf-8",
): void {
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}
