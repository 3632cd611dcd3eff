import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as the registry saw it. */
export interface SeenRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly authorization?: string;
}

/** What a fault does instead of the registry. */
export type Fault =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** Cuts the connection: at once, or after so many bytes of the body. */
  | { readonly cutAfter: number }
  /** Never answers. */
  | "silent";

export interface FakeRegistryOptions {
  readonly auth?: "none" | "basic" | "bearer";
  readonly username?: string;
  readonly password?: string;
  /** Locations without a host, as Docker's registry gives them on request. */
  readonly relativeLocation?: boolean;
  readonly mounts?: boolean;
  /** How long it is silent before it has made a blob of an upload. */
  readonly commitMs?: number;
  /** Looked at before each request; the first fault that is given is taken. */
  readonly fault?: (request: SeenRequest, nth: number) => Fault | undefined;
}

/** A registry in memory with the odd cases of real ones. Bound to 127.0.0.1; plain HTTP. */
export class FakeRegistry {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, { readonly mediaType: string; readonly content: Buffer }>();
  readonly seen: SeenRequest[] = [];
  readonly cancelled: string[] = [];
  /** Tokens that are good; emptied to let them run out. */
  readonly tokens = new Set<string>();
  expiresIn: number | undefined = 300;
  private readonly uploads = new Map<string, Buffer[]>();
  private readonly counts = new Map<string, number>();
  private server?: Server;

  constructor(readonly options: FakeRegistryOptions = {}) {}

  get host(): string {
    const address = this.server?.address() as AddressInfo | undefined;
    return `127.0.0.1:${address?.port}`;
  }

  async start(): Promise<this> {
    this.server = createServer((request, response) => {
      this.serve(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => this.server?.listen(0, "127.0.0.1", resolve));
    return this;
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => this.server?.close(resolve));
  }

  /** `POST blobs/uploads` and the like, without hosts, ids and tokens: what was asked, in order. */
  get asked(): string[] {
    return this.seen.map(
      ({ method, path }) => `${method} ${path.split("?")[0]?.replace(/[0-9a-f-]{36}/, "ID")}`,
    );
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url: path = "", headers } = request;
    const seen = { method, path, authorization: headers.authorization };
    this.seen.push(seen);
    const key = `${method} ${path.split("?")[0]?.replace(/[0-9a-f-]{36}/, "ID")}`;
    const nth = (this.counts.get(key) ?? 0) + 1;
    this.counts.set(key, nth);
    const fault = this.options.fault?.(seen, nth);
    if (fault !== undefined) return broken(fault, request, response);
    if (path.startsWith("/token")) return this.giveToken(request, response);
    const refusal = this.refusal(headers.authorization, path);
    if (refusal !== undefined) {
      response
        .writeHead(401, { "www-authenticate": refusal })
        .end(errors("UNAUTHORIZED", "authentication required"));
      return;
    }
    const url = new URL(path, "http://registry");
    const [, repository = "", kind = "", name = ""] =
      /^\/v2\/(.+)\/(blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
    if (kind === "manifests") return this.manifest(request, response, `${repository}/${name}`);
    return this.blob(request, response, repository, name, url.searchParams);
  }

  private async blob(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    name: string,
    query: URLSearchParams,
  ): Promise<void> {
    if (!name.startsWith("uploads/")) {
      const blob = this.blobs.get(`${repository}@${name}`);
      response.writeHead(blob ? 200 : 404, blob && { "content-length": blob.length }).end();
      return;
    }
    if (request.method === "POST") return this.begin(response, repository, query);
    const id = name.slice("uploads/".length);
    const parts = this.uploads.get(id);
    if (!parts) {
      request.resume();
      response.writeHead(404).end(errors("BLOB_UPLOAD_UNKNOWN", "no such upload"));
      return;
    }
    if (request.method === "DELETE") {
      this.uploads.delete(id);
      this.cancelled.push(id);
      response.writeHead(204).end();
      return;
    }
    for await (const chunk of request) parts.push(chunk as Buffer);
    const whole = Buffer.concat(parts);
    const digest = query.get("digest") ?? "";
    if (sha256(whole) !== digest) {
      response.writeHead(400).end(errors("DIGEST_INVALID", "provided digest did not match uploaded content"));
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, this.options.commitMs ?? 0));
    this.uploads.delete(id);
    this.blobs.set(`${repository}@${digest}`, whole);
    response.writeHead(201, { "docker-content-digest": digest }).end();
  }

  private begin(response: ServerResponse, repository: string, query: URLSearchParams): void {
    const mounted = query.get("mount") ?? "";
    const source = this.blobs.get(`${query.get("from")}@${mounted}`);
    if (this.options.mounts && source) {
      this.blobs.set(`${repository}@${mounted}`, source);
      response.writeHead(201).end();
      return;
    }
    const id = randomUUID();
    this.uploads.set(id, []);
    response.writeHead(202, { location: this.place(repository, id) }).end();
  }

  /** With a query of its own, as many registries have. */
  private place(repository: string, id: string): string {
    const path = `/v2/${repository}/blobs/uploads/${id}?_state=a%2Fb%2Bc%3D`;
    return this.options.relativeLocation ? path : `http://${this.host}${path}`;
  }

  private async manifest(request: IncomingMessage, response: ServerResponse, key: string): Promise<void> {
    if (request.method === "PUT") {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const content = Buffer.concat(chunks);
      const manifest = { mediaType: request.headers["content-type"] ?? "", content };
      this.manifests.set(key, manifest);
      this.manifests.set(key.replace(/[^/]*$/, sha256(content)), manifest);
      response.writeHead(201, { "docker-content-digest": sha256(content) }).end();
      return;
    }
    const found = this.manifests.get(key);
    if (!found) response.writeHead(404).end(errors("MANIFEST_UNKNOWN", "no such manifest"));
    else response.writeHead(200, { "content-type": found.mediaType }).end(found.content);
  }

  /** The challenge, if the request may not go on. */
  private refusal(authorization: string | undefined, path: string): string | undefined {
    const { auth = "none", username = "", password = "" } = this.options;
    const repository = /^\/v2\/(.+)\/(?:blobs|manifests)\//.exec(path)?.[1] ?? "";
    if (auth === "none") return undefined;
    if (auth === "basic") {
      const good = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
      return authorization === good ? undefined : 'Basic realm="registry"';
    }
    const token = authorization?.replace(/^Bearer /, "") ?? "";
    return this.tokens.has(token)
      ? undefined
      : `Bearer realm="http://${this.host}/token?extra=1",service="the registry",scope="repository:${repository}:pull,push"`;
  }

  private async giveToken(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { username = "", password = "" } = this.options;
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const basic = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    const form = new URLSearchParams(body);
    const known =
      request.method === "POST"
        ? form.get("grant_type") === "refresh_token" && form.get("refresh_token") === password
        : request.headers.authorization === basic;
    if (!known) {
      response.writeHead(401).end(errors("UNAUTHORIZED", "incorrect username or password"));
      return;
    }
    const token = `token-${randomUUID()}`;
    this.tokens.add(token);
    response.writeHead(200).end(JSON.stringify({ token, expires_in: this.expiresIn }));
  }
}

async function broken(fault: Fault, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (fault === "silent") return;
  if ("status" in fault) {
    request.resume();
    response.writeHead(fault.status, fault.headers).end(fault.body ?? "");
    return;
  }
  let seen = 0;
  if (fault.cutAfter > 0) {
    for await (const chunk of request) {
      seen += (chunk as Buffer).length;
      if (seen >= fault.cutAfter) break;
    }
  }
  request.socket.destroy();
}

function errors(code: string, message: string): string {
  return JSON.stringify({ errors: [{ code, message }] });
}

function sha256(content: Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
