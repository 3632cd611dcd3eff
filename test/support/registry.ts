import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request to the registry. */
export interface SeenRequest {
  readonly method: string;
  /** Path with the query. */
  readonly path: string;
  readonly authorization?: string;
}

/** A fault in place of the normal response. */
export type Fault =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** Closes the connection after this number of bytes of the body. */
  | { readonly cutAfter: number }
  /** Closes the connection after so many bytes of a blob in the response. */
  | { readonly sendOnly: number }
  /** Never responds. */
  | "silent";

export interface FakeRegistryOptions {
  readonly auth?: "none" | "basic" | "bearer";
  readonly username?: string;
  readonly password?: string;
  /** Sends Location headers without a host, as Docker's registry can. */
  readonly relativeLocation?: boolean;
  readonly mounts?: boolean;
  /** Sends a whole blob whatever range is requested. */
  readonly ignoresRanges?: boolean;
  /** Returns status 405 for the deletion of manifests, as distribution without `storage.delete.enabled`. */
  readonly keepsManifests?: boolean;
  /** Rejects a PUT of a tag that exists, also of the same manifest, as ECR with immutable tags. */
  readonly immutableTags?: boolean;
  /** Status of a stored blob or manifest. Default: 201. */
  readonly storedStatus?: number;
  /** Runs after a request was executed. With true, its response is lost. */
  readonly losesResponse?: (request: SeenRequest) => boolean;
  /** Delay of the response to a completed upload. */
  readonly commitMs?: number;
  /** Returns the fault of a request; `nth` counts the requests of the same kind. */
  readonly fault?: (request: SeenRequest, nth: number) => Fault | undefined;
}

/** A fake registry with the special cases of real ones. Plain HTTP at 127.0.0.1. */
export class FakeRegistry {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, { readonly mediaType: string; readonly content: Buffer }>();
  readonly seen: SeenRequest[] = [];
  readonly cancelled: string[] = [];
  /** Valid tokens. A test clears them to let them expire. */
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

  /** Requests in order, such as `POST blobs/uploads`, without hosts, ids and tokens. */
  get requestLines(): string[] {
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
    if (this.options.losesResponse?.(seen)) response.writeHead = () => response.destroy();
    if (fault !== undefined && !isCut(fault)) return injectFault(fault, request, response);
    if (path.startsWith("/token")) return this.giveToken(request, response);
    const challenge = this.challenge(headers.authorization, path);
    if (challenge !== undefined) {
      response
        .writeHead(401, { "www-authenticate": challenge })
        .end(errors("UNAUTHORIZED", "authentication required"));
      return;
    }
    const url = new URL(path, "http://registry");
    const listed = /^\/v2\/(.+)\/tags\/list$/.exec(url.pathname)?.[1];
    if (listed !== undefined) return this.listTags(response, listed, url.searchParams);
    const [, repository = "", kind = "", name = ""] =
      /^\/v2\/(.+)\/(blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
    if (kind === "manifests") return this.manifest(request, response, `${repository}/${name}`);
    if (!name.startsWith("uploads/")) {
      const most = fault !== undefined && isCut(fault) ? fault.sendOnly : undefined;
      return this.sendBlob(request, response, this.blobs.get(`${repository}@${name}`), most);
    }
    return this.blob(request, response, repository, name, url.searchParams);
  }

  /** Sends one page of tags, as distribution and zot: in their order, with a Link to the next one. */
  private listTags(response: ServerResponse, repository: string, query: URLSearchParams): void {
    const prefix = `${repository}/`;
    const names = [...this.manifests.keys()]
      .filter((key) => key.startsWith(prefix) && !key.slice(prefix.length).includes("/"))
      .map((key) => key.slice(prefix.length));
    if (names.length === 0) {
      response.writeHead(404).end(errors("NAME_UNKNOWN", "repository name not known to registry"));
      return;
    }
    const last = query.get("last") ?? "";
    const size = Number(query.get("n") ?? 100);
    const tags = names.filter((name) => !name.startsWith("sha256:") && name > last).toSorted();
    const page = tags.slice(0, size);
    const next = `</v2/${repository}/tags/list?last=${page.at(-1)}&n=${size}>; rel="next"`;
    response
      .writeHead(200, { "content-type": "application/json", ...(tags.length > size ? { link: next } : {}) })
      .end(JSON.stringify({ name: repository, tags: page }));
  }

  private sendBlob(
    { method, headers }: IncomingMessage,
    response: ServerResponse,
    blob: Buffer | undefined,
    most = Infinity,
  ): void {
    if (!blob) {
      response.writeHead(404).end();
      return;
    }
    const range = /^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1];
    const from = this.options.ignoresRanges ? 0 : Number(range ?? 0);
    const content = method === "HEAD" ? Buffer.alloc(0) : blob.subarray(from);
    const status = from > 0 ? 206 : 200;
    response.writeHead(status, { "content-length": blob.length - from });
    if (content.length <= most) response.end(content);
    else response.write(content.subarray(0, most), () => response.destroy());
  }

  private async blob(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    name: string,
    query: URLSearchParams,
  ): Promise<void> {
    if (request.method === "POST") return this.startUpload(response, repository, query);
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
    if (request.method === "PATCH") {
      response.writeHead(202, { location: this.uploadUrl(repository, id) }).end();
      return;
    }
    const whole = Buffer.concat(parts);
    const digest = query.get("digest") ?? "";
    if (sha256(whole) !== digest) {
      response.writeHead(400).end(errors("DIGEST_INVALID", "provided digest did not match uploaded content"));
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, this.options.commitMs ?? 0));
    this.uploads.delete(id);
    this.blobs.set(`${repository}@${digest}`, whole);
    response.writeHead(this.options.storedStatus ?? 201, { "docker-content-digest": digest }).end();
  }

  private startUpload(response: ServerResponse, repository: string, query: URLSearchParams): void {
    const mounted = query.get("mount") ?? "";
    const source = this.blobs.get(`${query.get("from")}@${mounted}`);
    if (this.options.mounts && source) {
      this.blobs.set(`${repository}@${mounted}`, source);
      response.writeHead(201).end();
      return;
    }
    const id = randomUUID();
    this.uploads.set(id, []);
    response.writeHead(202, { location: this.uploadUrl(repository, id) }).end();
  }

  /** Returns the URL of an upload, with a query as in many registries. */
  private uploadUrl(repository: string, id: string): string {
    const path = `/v2/${repository}/blobs/uploads/${id}?_state=a%2Fb%2Bc%3D`;
    return this.options.relativeLocation ? path : `http://${this.host}${path}`;
  }

  private async manifest(request: IncomingMessage, response: ServerResponse, key: string): Promise<void> {
    if (request.method === "PUT") {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const content = Buffer.concat(chunks);
      if (this.options.immutableTags && !key.includes("/sha256:") && this.manifests.has(key)) {
        response.writeHead(400).end(errors("TAG_INVALID", "the tag exists and is immutable"));
        return;
      }
      const manifest = { mediaType: request.headers["content-type"] ?? "", content };
      this.manifests.set(key, manifest);
      this.manifests.set(key.replace(/[^/]*$/, sha256(content)), manifest);
      const headers = { "docker-content-digest": sha256(content) };
      response.writeHead(this.options.storedStatus ?? 201, headers).end();
      return;
    }
    const found = this.manifests.get(key);
    if (request.method === "DELETE") {
      const status = this.options.keepsManifests ? 405 : found ? 202 : 404;
      // With the digest, all its tags are deleted.
      if (status === 202)
        for (const [name, manifest] of this.manifests) if (manifest === found) this.manifests.delete(name);
      response
        .writeHead(status)
        .end(
          status === 202
            ? ""
            : status === 404
              ? errors("MANIFEST_UNKNOWN", "no such manifest")
              : errors("UNSUPPORTED", "the operation is unsupported"),
        );
      return;
    }
    if (!found) response.writeHead(404).end(errors("MANIFEST_UNKNOWN", "no such manifest"));
    else response.writeHead(200, { "content-type": found.mediaType }).end(found.content);
  }

  /** Returns the challenge of a request without valid credentials. */
  private challenge(authorization: string | undefined, path: string): string | undefined {
    const { auth = "none", username = "", password = "" } = this.options;
    const repository = /^\/v2\/(.+)\/(?:blobs|manifests)\//.exec(path)?.[1] ?? "";
    if (auth === "none") return undefined;
    if (auth === "basic") {
      const valid = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
      return authorization === valid ? undefined : 'Basic realm="registry"';
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

function isCut(fault: Fault): fault is { readonly sendOnly: number } {
  return typeof fault === "object" && "sendOnly" in fault;
}

async function injectFault(
  fault: Exclude<Fault, { readonly sendOnly: number }>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
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
