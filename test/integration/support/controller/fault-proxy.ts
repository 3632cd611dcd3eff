/**
 * An HTTPS proxy between one replica of the controller and the API server. It records all requests and injects faults.
 * Its random choices depend only on the seed.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request, createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectionOf, type Connection } from "./connection";
import { Random } from "../../../support/random";
import { ERROR_STATUS, chooseFault, statusOf, type Fault, type FaultPlan } from "./faults";
import { passWatch } from "./fault-watch";

/** One request and its response. Times are in milliseconds of this machine's clock. */
export interface Exchange {
  readonly replica: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly userAgent: string;
  readonly contentType: string;
  readonly watch: boolean;
  readonly body?: unknown;
  readonly receivedAt: number;
  fault?: Fault | "partition";
  /** Unset if it was not sent to the API server. */
  forwardedAt?: number;
  /** Status of the API server, which the replica may not have received. */
  status?: number;
  /** Response of the API server to a write. */
  response?: unknown;
  respondedAt?: number;
}

export interface FaultProxyOptions {
  /** Kubeconfig of the API server. Its client certificate is used for all requests. */
  readonly kubeconfig: string;
  /** Name of the replica that uses this proxy. */
  readonly replica: string;
  readonly seed: number;
  /** User to impersonate. Default: the kubeconfig's user. */
  readonly as?: string;
}

export class FaultProxy {
  /** In the order of arrival. */
  readonly exchanges: Exchange[] = [];
  readonly #random: Random;
  readonly #api: Connection;
  readonly #server: Server;
  readonly #folder: string;
  #plan: FaultPlan | undefined;
  /** Number of injections of each fault. */
  readonly #injected = new Map<Fault, number>();
  #partitioned = false;
  /** Continuations of the traffic that the partition delays. */
  readonly #delayed: (() => void)[] = [];
  readonly #open = new Set<ServerResponse>();
  readonly #watches = new Set<ServerResponse>();

  private constructor(readonly options: FaultProxyOptions) {
    this.#random = new Random(options.seed);
    this.#api = connectionOf(options.kubeconfig);
    this.#folder = mkdtempSync(join(tmpdir(), "fault-proxy-"));
    const { key, cert } = certificate();
    this.#server = createServer({ key, cert }, (incoming, outgoing) => {
      this.#pass(incoming, outgoing).catch(() => outgoing.destroy());
    });
  }

  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    const { port } = proxy.#server.address() as AddressInfo;
    writeFileSync(proxy.kubeconfig, kubeconfigOf(port));
    return proxy;
  }

  /** Path of a kubeconfig that uses this proxy. */
  get kubeconfig(): string {
    return join(this.#folder, "kubeconfig");
  }

  /**
   * Injects faults into new requests by this plan; `undefined` stops it. Running watches are ended, so that the plan
   * applies to the next ones. Requests that already hang stay so.
   */
  inject(plan: FaultPlan | undefined): void {
    this.#plan = plan;
    if (plan) for (const watch of this.#watches) watch.end();
  }

  /** Stops all bytes in both directions, on existing and new connections, which stay open. */
  partition(): void {
    this.#partitioned = true;
  }

  /** Ends the partition. Delayed traffic arrives, as by TCP retransmission, unless the replica closed its connection. */
  heal(): void {
    this.#partitioned = false;
    for (const resume of this.#delayed.splice(0)) resume();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    for (const outgoing of this.#open) outgoing.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#api.agent.destroy();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    this.#open.add(outgoing);
    outgoing.on("close", () => this.#open.delete(outgoing));
    outgoing.on("error", () => undefined);
    const sent = await bytesOf(incoming);
    const exchange = this.#record(incoming, sent);
    if (this.#partitioned) {
      exchange.fault = "partition";
      await this.#healed();
      if (outgoing.destroyed) return;
    }
    const plan = this.#plan;
    const fault = plan && chooseFault(plan, this.#random, exchange, this.#injected);
    if (fault !== undefined) exchange.fault = fault;
    const status = fault && ERROR_STATUS[fault];
    if (status) {
      const headers = status.retryAfter === undefined ? {} : { "retry-after": status.retryAfter };
      outgoing.writeHead(status.status, { "content-type": "application/json", ...headers });
      outgoing.end(JSON.stringify(statusOf(status)));
    } else if (fault === "reset") outgoing.destroy();
    else if (fault !== "noResponse") this.#forward(incoming, outgoing, sent, exchange);
  }

  #healed(): Promise<void> {
    return new Promise((resolve) => this.#delayed.push(resolve));
  }

  #record(incoming: IncomingMessage, sent: Buffer): Exchange {
    const url = new URL(incoming.url ?? "/", "https://proxy");
    const { method = "GET", headers } = incoming;
    const exchange: Exchange = {
      replica: this.options.replica,
      method,
      path: url.pathname,
      query: url.search,
      userAgent: headers["user-agent"] ?? "",
      contentType: headers["content-type"] ?? "",
      watch: ["1", "true"].includes(url.searchParams.get("watch") ?? ""),
      ...(sent.length === 0 ? {} : { body: parsed(sent) }),
      receivedAt: Date.now(),
    };
    this.exchanges.push(exchange);
    return exchange;
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse, sent: Buffer, exchange: Exchange): void {
    const { fault } = exchange;
    const url = new URL(this.#api.origin + (incoming.url ?? "/"));
    if (fault === "noBookmarks") url.searchParams.delete("allowWatchBookmarks");
    const {
      authorization: _authorization,
      host: _host,
      "accept-encoding": _encoding,
      ...headers
    } = incoming.headers;
    const { as } = this.options;
    exchange.forwardedAt = Date.now();
    const call = request(
      url,
      {
        method: exchange.method,
        agent: this.#api.agent,
        headers: { ...headers, ...(as === undefined ? {} : impersonation(as)) },
      },
      (response) => {
        exchange.status = response.statusCode ?? 0;
        if (exchange.watch && exchange.status === 200) {
          const seconds = this.#random.between(1, this.#plan?.watchSeconds ?? 30);
          const healed = () => (this.#partitioned ? this.#healed() : undefined);
          passWatch(response, outgoing, { fault, seconds, healed });
          this.#watches.add(outgoing);
          outgoing.on("close", () => {
            this.#watches.delete(outgoing);
            call.destroy();
          });
        } else this.#respond(response, outgoing, exchange).catch(() => outgoing.destroy());
      },
    );
    call.on("error", () => outgoing.destroy());
    call.end(sent);
  }

  async #respond(response: IncomingMessage, outgoing: ServerResponse, exchange: Exchange): Promise<void> {
    const { fault } = exchange;
    const received = await bytesOf(response);
    exchange.respondedAt = Date.now();
    if (exchange.method !== "GET") exchange.response = parsed(received);
    if (this.#partitioned) await this.#healed();
    if (fault === "responseLost") {
      outgoing.destroy();
      return;
    }
    if (fault === "slow")
      await new Promise((resolve) => setTimeout(resolve, this.#random.between(1000, 8000)));
    const { "transfer-encoding": _encoding, connection: _connection, ...headers } = response.headers;
    outgoing.writeHead(response.statusCode ?? 500, { ...headers, "content-length": received.length });
    outgoing.end(received);
  }
}

const impersonation = (user: string) => ({
  "impersonate-user": user,
  "impersonate-group": ["system:authenticated", "system:serviceaccounts"],
});

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return bytes.toString();
  }
}

let generated: { readonly key: string; readonly cert: string } | undefined;

/** Returns a key pair for 127.0.0.1, generated once by openssl, so that the repository contains no private key. */
function certificate(): { readonly key: string; readonly cert: string } {
  if (generated) return generated;
  const folder = mkdtempSync(join(tmpdir(), "fault-proxy-pki-"));
  try {
    const [key, cert] = [join(folder, "key"), join(folder, "cert")];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const name = ["-subj", "/CN=fault-proxy", "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync(
      "openssl",
      ["req", "-x509", ...curve, "-days", "30", ...name, "-keyout", key, "-out", cert],
      {
        stdio: "pipe",
      },
    );
    generated = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
    return generated;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function kubeconfigOf(port: number): string {
  const authority = Buffer.from(certificate().cert).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "proxy",
        cluster: { server: `https://127.0.0.1:${port}`, "certificate-authority-data": authority },
      },
    ],
    users: [{ name: "replica", user: {} }],
    contexts: [{ name: "proxy", context: { cluster: "proxy", user: "replica" } }],
    "current-context": "proxy",
  });
}
