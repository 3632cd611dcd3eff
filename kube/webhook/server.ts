import type { IncomingMessage, ServerResponse } from "node:http";
import { X509Certificate } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { sleep } from "../backoff";
import type { Logger } from "../log";
import type { HealthCheck } from "../process/health";
import { InvalidReviewError, readReview, writeReview, type AdmissionHandler } from "./review";

/** Twice the API server's limit of a request: the review is a bit larger than the object. */
const MAX_BYTES = 6 * 1024 * 1024;

/**
 * How long requests are accepted after the signal to stop: until all API servers and nodes know that the Service has one
 * endpoint less. Kubernetes gives no bound; it takes a second or two.
 */
const DRAIN_MS = 8_000;
/** How long requests in progress may take when the server closes: the API server waits for 5 s. */
const FINISH_MS = 5_000;

export interface WebhookServerOptions {
  readonly port: number;
  /** By path: `/restore`. */
  readonly handlers: Readonly<Record<string, AdmissionHandler>>;
  readonly log: Logger;
  /** Default: 8,000. */
  readonly drainMs?: number;
}

/** When a certificate is valid, ms since the epoch. */
export interface CertificateTimes {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** HTTPS server of admission webhooks. Without a certificate it rejects every connection. */
export class WebhookServer {
  private readonly server: Server;
  private certificate?: string;
  private served?: CertificateTimes;
  private failure?: string;
  private stopping = false;

  constructor(private readonly options: WebhookServerOptions) {
    this.server = createServer(
      { minVersion: "TLSv1.2", requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 16_384 },
      (request, response) => void this.serve(request, response),
    );
    this.server.keepAliveTimeout = 60_000;
    // Port scans and probes of the Service are normal.
    this.server.on("tlsClientError", (error) => options.log.debug({ error: String(error) }, "webhook: TLS"));
    this.server.unref();
  }

  /** Checks whether the server has a certificate: for `/readyz`. */
  get check(): HealthCheck {
    return {
      name: "webhook-certificate",
      failure: () =>
        this.stopping
          ? "the process is stopping"
          : (this.failure ??
            (this.certificate === undefined ? "the webhook has no certificate yet" : undefined)),
    };
  }

  /** Returns when the certificate that is served is valid; undefined without one. */
  get validity(): CertificateTimes | undefined {
    return this.served;
  }

  /** Serves this certificate from now on; open connections keep theirs. An invalid one is logged and ignored. */
  use({ cert, key }: { readonly cert: string; readonly key: string }): void {
    if (cert === this.certificate) return;
    try {
      this.server.setSecureContext({ cert, key, minVersion: "TLSv1.2" });
      const { validFrom, validTo } = new X509Certificate(cert);
      this.served = { notBeforeMs: Date.parse(validFrom), notAfterMs: Date.parse(validTo) };
      this.certificate = cert;
      this.failure = undefined;
      this.options.log.info("webhook: certificate loaded");
    } catch (error) {
      // The previous certificate stays in use.
      if (this.certificate === undefined) this.failure = `the certificate cannot be loaded: ${String(error)}`;
      this.options.log.error({ err: error }, "webhook: certificate not loaded");
    }
  }

  async start(): Promise<void> {
    const port = await new Promise<number>((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(this.options.port, () => {
        this.server.off("error", reject);
        resolve((this.server.address() as AddressInfo).port);
      });
    });
    this.options.log.info({ server: "webhook", port }, "listening");
  }

  /** Serves on for 8 s, but is not Ready, and keeps no connection. */
  async drain(): Promise<void> {
    this.stopping = true;
    if (this.certificate === undefined) return;
    await sleep(this.options.drainMs ?? DRAIN_MS);
  }

  /**
   * Accepts no more requests, and gives those in progress 5 s. For requests that it cuts off the API server applies the
   * webhook's failurePolicy.
   */
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

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = ""] = (request.url ?? "").split("?", 1);
    const { handlers, log } = this.options;
    if (this.stopping) response.setHeader("connection", "close");
    const handler = Object.hasOwn(handlers, path) ? handlers[path] : undefined;
    if (!handler) return reply(response, 404, "not found");
    if (request.method !== "POST") return reply(response, 405, "only POST");
    try {
      const review = readReview(await body(request));
      const admission = await handler(review);
      // It may have begun to stop meanwhile.
      if (this.stopping) response.setHeader("connection", "close");
      reply(response, 200, writeReview(review.uid, admission), "application/json");
    } catch (error) {
      if (error instanceof InvalidReviewError) return reply(response, 400, error.message);
      log.warn({ err: error, path }, "webhook: no decision");
      reply(response, 503, "no decision could be made");
    }
  }
}

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new InvalidReviewError(`the request is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
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
