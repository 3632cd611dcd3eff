/** A receiver of signed webhooks, with a verification that shares no code with the controller. */
import { webcrypto } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly id: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** Whether a signature is valid for the key of the receiver, and the timestamp is near. */
  readonly isValid: boolean;
}

/**
 * Verifies a request as the Standard Webhooks specification says: one of the signatures is the HMAC-SHA256 of id, timestamp and
 * body, joined by full stops, and the timestamp is at most 5 minutes away.
 */
export async function isValid(
  secret: string,
  headers: IncomingMessage["headers"],
  body: string,
): Promise<boolean> {
  const { subtle } = webcrypto;
  const bytes = Uint8Array.from(Buffer.from(secret.replace(/^whsec_/, ""), "base64"));
  const key = await subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const timestamp = String(headers["webhook-timestamp"]);
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300)) return false;
  const content = new TextEncoder().encode(`${String(headers["webhook-id"])}.${timestamp}.${body}`);
  for (const part of String(headers["webhook-signature"]).split(" ")) {
    const [version, signature = ""] = part.split(",");
    if (version !== "v1") continue;
    const given = Uint8Array.from(Buffer.from(signature, "base64"));
    if (await subtle.verify("HMAC", key, given, content)) return true;
  }
  return false;
}

export interface ReceiverOptions {
  readonly secret: string;
  readonly cert: string;
  readonly key: string;
  /** Default: 127.0.0.1. */
  readonly host?: string;
}

/** Receives requests by HTTPS. By default it responds 204. */
export class WebhookReceiver {
  readonly received: Received[] = [];
  connections = 0;
  respond: (request: Received, response: ServerResponse) => void = (_, response) => {
    response.writeHead(204).end();
  };

  private constructor(private readonly server: Server) {}

  static async start({ secret, cert, key, host = "127.0.0.1" }: ReceiverOptions): Promise<WebhookReceiver> {
    const server = createServer({ cert, key });
    const receiver = new WebhookReceiver(server);
    server.on("connection", () => receiver.connections++);
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      let body = "";
      request.on("data", (chunk) => (body += String(chunk)));
      request.on("end", () => {
        void isValid(secret, request.headers, body).then((valid) => {
          const { headers, url: path = "" } = request;
          const one = { id: String(headers["webhook-id"]), path, headers, body, isValid: valid };
          receiver.received.push(one);
          receiver.respond(one, response);
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return receiver;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
