import { once } from "node:events";
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { REGISTRY } from "../../../testbed/node/testbed";

/** A registry that forwards to the one of the test bed, and delays, damages or rejects downloads of layers. */
export class RegistryProxy {
  /** Digests of the layers that were asked for, in their order. */
  readonly asked: string[] = [];
  /** Digests of the layers that were sent whole. */
  readonly sent: string[] = [];
  /** Digests of other blobs, which are sent at once. */
  readonly others = new Set<string>();
  /** Layers of which one byte is another. */
  readonly damaged = new Set<string>();
  private left = Infinity;
  private wake: () => void = () => undefined;
  private opened = Promise.resolve();
  private readonly server: Server = createServer((from, to) => {
    this.serve(from, to).catch(() => to.destroy());
  });

  get host(): string {
    return `localhost:${(this.server.address() as AddressInfo).port}`;
  }

  async start(): Promise<this> {
    this.server.keepAliveTimeout = 600_000;
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return this;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** Sends so many more layers, and lets the others wait. */
  permit(layers: number): void {
    this.left = layers;
    this.wake();
    this.opened = new Promise((resolve) => (this.wake = resolve));
  }

  private async serve(from: IncomingMessage, to: ServerResponse): Promise<void> {
    const blob = from.method === "GET" ? /\/blobs\/(sha256:\w+)$/.exec(from.url ?? "")?.[1] : undefined;
    const digest = blob === undefined || this.others.has(blob) ? undefined : blob;
    if (digest !== undefined) {
      this.asked.push(digest);
      while (this.left <= 0) await this.opened;
      if (to.destroyed) return;
      this.left--;
    }
    const headers = { ...from.headers, host: REGISTRY };
    const forwarded = request(`http://${REGISTRY}${from.url}`, {
      method: from.method,
      headers,
      agent: false,
    });
    to.once("close", () => forwarded.destroy());
    from.pipe(forwarded);
    const [response] = (await once(forwarded, "response")) as [IncomingMessage];
    to.writeHead(response.statusCode ?? 500, response.headers);
    const isDamaged = digest !== undefined && this.damaged.has(digest);
    await pipeline(
      response,
      async function* (chunks: AsyncIterable<Buffer>) {
        let first = isDamaged;
        for await (const chunk of chunks) {
          if (first) chunk[0] = chunk[0]! ^ 1;
          first = false;
          yield chunk;
        }
      },
      to,
    );
    if (digest !== undefined) this.sent.push(digest);
  }
}
