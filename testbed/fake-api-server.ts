import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { issue } from "../kube/webhook";
import type { ApiError, Body, Method } from "../kube/client";
import { FakeApi } from "./fake-api";

/** Serves the API server in memory over HTTPS. */
export class ApiServer {
  readonly api = new FakeApi();
  private server?: Server;
  /** Collections that are served as they were given, by path: the JSON of each object. */
  private readonly lists = new Map<string, readonly string[]>();

  /** Serves a collection that nothing changes, with pages, as fast as this process can. */
  serveList(path: string, objects: readonly object[]): void {
    this.lists.set(
      path,
      objects.map((one) => JSON.stringify(one)),
    );
  }

  /** @returns its address and its authority */
  async start(): Promise<{ readonly url: string; readonly ca: string }> {
    const { cert, key, ca } = await issue(["localhost"], Date.now(), "bench");
    const server = createServer({ cert, key }, (request, response) => {
      this.serve(request, response).catch((error: unknown) => {
        const { status, reason, message } = error as ApiError;
        reply(response, status ?? 500, { kind: "Status", code: status ?? 500, reason, message });
      });
    });
    // Like kube-apiserver, so that clients keep their connections.
    server.keepAliveTimeout = 90_000;
    this.server = server;
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    return { url: `https://localhost:${(server.address() as AddressInfo).port}`, ca };
  }

  stop(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = "", method = "GET" } = request;
    const { pathname, searchParams } = new URL(url, "http://x");
    if (searchParams.has("watch")) return this.watch(url, request, response);
    const list = this.lists.get(pathname);
    if (list) return page(response, list, searchParams);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const type = request.headers["content-type"] ?? "";
    const body: Body | undefined = text === "" ? undefined : { type, content: JSON.parse(text) };
    reply(response, 200, await this.api.send(method as Method, url, body));
  }

  private async watch(url: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const closed = new AbortController();
    request.once("close", () => closed.abort());
    const options = { signal: closed.signal, idleTimeoutMs: 3_600_000 };
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    for await (const event of this.api.watch(url, options)) response.write(`${JSON.stringify(event)}\n`);
    response.end();
  }
}

function page(response: ServerResponse, list: readonly string[], query: URLSearchParams): void {
  const from = Number(query.get("continue") ?? 0);
  const end = Math.min(list.length, from + Number(query.get("limit") ?? list.length));
  const more = end < list.length ? `,"continue":"${end}"` : "";
  response.writeHead(200, { "content-type": "application/json" });
  response.end(`{"metadata":{"resourceVersion":"1"${more}},"items":[${list.slice(from, end).join(",")}]}`);
}

function reply(response: ServerResponse, status: number, content: unknown): void {
  const text = JSON.stringify(content);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

/** Returns a kubeconfig of the server, as JSON. */
export function kubeconfigOf({ url, ca }: { readonly url: string; readonly ca: string }): string {
  const authority = Buffer.from(ca).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server: url, "certificate-authority-data": authority } }],
    users: [{ name: "u", user: {} }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    "current-context": "c",
  });
}
