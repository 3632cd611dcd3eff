/**
 * A proxy between one replica of the controller and the API server. It speaks HTTPS to both, keeps a record of what it
 * passed on, and does the replica harm when asked. All it does by chance comes from its seed.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request, createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectionOf, type Connection } from "./controller-connection";
import { Random } from "../../support/random";
import { REFUSALS, chooseFault, statusOf, type Fault, type FaultPlan } from "./fault-proxy-faults";
import { passWatch } from "./fault-proxy-watch";

/** One request, as it was seen on its way. Times are of this machine's clock, in milliseconds. */
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
  /** Unset if the API server never saw it. */
  forwardedAt?: number;
  /** The API server's own status, whatever the replica was told. */
  status?: number;
  /** The API server's answer to a write. */
  answer?: unknown;
  answeredAt?: number;
}

export interface FaultProxyOptions {
  /** Of the API server. Its client certificate is used for all requests. */
  readonly kubeconfig: string;
  /** Name of the replica that uses this proxy. */
  readonly replica: string;
  readonly seed: number;
  /** User to act as, with the rights of that user only. Default: the kubeconfig's own. */
  readonly as?: string;
}

export class FaultProxy {
  /** In the order in which they came. */
  readonly exchanges: Exchange[] = [];
  readonly #random: Random;
  readonly #api: Connection;
  readonly #server: Server;
  readonly #folder: string;
  #plan: FaultPlan | undefined;
  /** How often each fault was met. */
  readonly #met = new Map<Fault, number>();
  #silent = false;
  /** What goes on when the partition is over. */
  readonly #caught: (() => void)[] = [];
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

  /** Path of the kubeconfig that leads through this proxy. */
  get kubeconfig(): string {
    return join(this.#folder, "kubeconfig");
  }

  /**
   * Requests from now on meet faults by this plan; `undefined` ends it. Watches that run are ended, so that each begins
   * anew under the plan. What hangs already goes on hanging.
   */
  inject(plan: FaultPlan | undefined): void {
    this.#plan = plan;
    if (plan) for (const watch of this.#watches) watch.end();
  }

  /** From now on no byte gets through in either direction, on old connections and new ones; they stay open. */
  partition(): void {
    this.#silent = true;
  }

  /** What was caught in the partition arrives after all, as TCP sends it again, unless the replica has given up on it. */
  heal(): void {
    this.#silent = false;
    for (const resume of this.#caught.splice(0)) resume();
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
    if (this.#silent) {
      exchange.fault = "partition";
      await this.#healed();
      if (outgoing.destroyed) return;
    }
    const plan = this.#plan;
    const fault = plan && chooseFault(plan, this.#random, exchange, this.#met);
    if (fault !== undefined) exchange.fault = fault;
    const refusal = fault && REFUSALS[fault];
    if (refusal) {
      const headers = refusal.retryAfter === undefined ? {} : { "retry-after": refusal.retryAfter };
      outgoing.writeHead(refusal.status, { "content-type": "application/json", ...headers });
      outgoing.end(JSON.stringify(statusOf(refusal)));
    } else if (fault === "reset") outgoing.destroy();
    else if (fault !== "noAnswer") this.#forward(incoming, outgoing, sent, exchange);
  }

  #healed(): Promise<void> {
    return new Promise((resolve) => this.#caught.push(resolve));
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
      (answer) => {
        exchange.status = answer.statusCode ?? 0;
        if (exchange.watch && exchange.status === 200) {
          const seconds = this.#random.between(1, this.#plan?.watchSeconds ?? 30);
          const caught = () => (this.#silent ? this.#healed() : undefined);
          passWatch(answer, outgoing, { fault, seconds, caught });
          this.#watches.add(outgoing);
          outgoing.on("close", () => {
            this.#watches.delete(outgoing);
            call.destroy();
          });
        } else this.#answer(answer, outgoing, exchange).catch(() => outgoing.destroy());
      },
    );
    call.on("error", () => outgoing.destroy());
    call.end(sent);
  }

  async #answer(answer: IncomingMessage, outgoing: ServerResponse, exchange: Exchange): Promise<void> {
    const { fault } = exchange;
    const received = await bytesOf(answer);
    exchange.answeredAt = Date.now();
    if (exchange.method !== "GET") exchange.answer = parsed(received);
    if (this.#silent) await this.#healed();
    if (fault === "answerLost") {
      outgoing.destroy();
      return;
    }
    if (fault === "slow")
      await new Promise((resolve) => setTimeout(resolve, this.#random.between(1000, 8000)));
    const { "transfer-encoding": _encoding, connection: _connection, ...headers } = answer.headers;
    outgoing.writeHead(answer.statusCode ?? 500, { ...headers, "content-length": received.length });
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

let made: { readonly key: string; readonly cert: string } | undefined;

/** A key pair for 127.0.0.1, made once by openssl: no private key is kept in the repository. */
function certificate(): { readonly key: string; readonly cert: string } {
  if (made) return made;
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
    made = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
    return made;
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
