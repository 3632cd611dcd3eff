import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { WEBHOOK_PATH } from "../../../api/restore";
import type { HealthCheck, Logger } from "../../../kube";
import { readReview, writeReview, type PodReview, type Verdict } from "./review";

/** The API server's own limit of a request, twice: the review is a bit more than the pod. */
const MAX_BYTES = 6 * 1024 * 1024;

export interface WebhookServerOptions {
  readonly port: number;
  readonly admit: (review: PodReview) => Promise<Verdict>;
  readonly log: Logger;
}

/** HTTPS server of the webhook. Without a certificate it refuses every connection. */
export class WebhookServer {
  private readonly server: Server;
  private certificate?: string;
  private trouble?: string;

  constructor(private readonly options: WebhookServerOptions) {
    this.server = createServer(
      { minVersion: "TLSv1.2", requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 16_384 },
      (request, response) => void this.serve(request, response),
    );
    this.server.keepAliveTimeout = 60_000;
    // Port scans and probes of the Service: nothing to tell anyone.
    this.server.on("tlsClientError", (error) => options.log.debug({ error: String(error) }, "webhook: TLS"));
    this.server.unref();
  }

  /** Whether the API server can ask: for `/readyz`. */
  get check(): HealthCheck {
    return {
      name: "webhook-certificate",
      trouble: () =>
        this.trouble ?? (this.certificate === undefined ? "the webhook has no certificate yet" : undefined),
    };
  }

  /** Serves this certificate from now on; connections that are open keep theirs. Wrong ones are told, not taken. */
  use({ cert, key }: { readonly cert: string; readonly key: string }): void {
    if (cert === this.certificate) return;
    try {
      this.server.setSecureContext({ cert, key, minVersion: "TLSv1.2" });
      this.certificate = cert;
      this.trouble = undefined;
      this.options.log.info("webhook: certificate loaded");
    } catch (error) {
      // What was loaded before serves on.
      if (this.certificate === undefined) this.trouble = `the certificate cannot be loaded: ${String(error)}`;
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

  /** Answers what is under way no more: the API server goes by the webhook's failurePolicy. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path] = (request.url ?? "").split("?", 1);
    if (path !== WEBHOOK_PATH) return reply(response, 404, "not found");
    if (request.method !== "POST") return reply(response, 405, "only POST");
    let review: PodReview;
    try {
      review = readReview(await body(request));
    } catch (error) {
      return reply(response, 400, error instanceof Error ? error.message : String(error));
    }
    try {
      const verdict = await this.options.admit(review);
      reply(response, 200, writeReview(review.uid, verdict), "application/json");
    } catch (error) {
      this.options.log.warn({ err: error, namespace: review.namespace }, "webhook: not answered");
      reply(response, 503, "the pod could not be looked at");
    }
  }
}

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`the request is larger than ${MAX_BYTES} bytes`);
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
