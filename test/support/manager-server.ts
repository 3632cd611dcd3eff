import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ManagerRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** Handles a request in place of the documented behavior. */
export type Behaviour = (request: ManagerRequest, response: ServerResponse) => void | Promise<void>;

export const CHECKPOINT_ID = "6f2ad7c5-9b7e-4f0c-8d52-0c8f6e0c3d11";

/** Responds with a status and a body. */
export const respondWith =
  (status: number, body: string, headers: Record<string, string> = {}): Behaviour =>
  (_, response) => {
    response.writeHead(status, headers).end(body);
  };

/** Closes the connection without a response. */
export const cut: Behaviour = (_, response) => {
  response.socket?.destroy();
};

/** Closes the connection in the middle of the response. */
export const cutShort: Behaviour = (_, response) => {
  response.writeHead(200, { "content-length": "1000" }).write('{"checkpoint_id":"');
  setImmediate(() => response.socket?.destroy());
};

/** Never responds. */
export const silent: Behaviour = () => {};

/** Starts a response and never ends it. */
export const stalled: Behaviour = (_, response) => {
  response.writeHead(200).write("[");
};

/** Sends an endless response. */
export const endless: Behaviour = (_, response) => {
  const chunk = Buffer.alloc(256 * 1024, "[");
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on("drain", more).on("error", () => {});
  more();
};

/**
 * A test double of the REST API of Cedana's manager. It checks requests as strictly as the documentation allows, and
 * records them.
 */
export class ManagerServer {
  readonly requests: ManagerRequest[] = [];
  /** Behaviors of the next requests, each used once. Then the documented behavior applies. */
  readonly next: Behaviour[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ManagerServer> {
    const server = createServer();
    const manager = new ManagerServer(server);
    server.on("request", (request, response) => void manager.handle(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return manager;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? "/", "http://manager");
    let text = "";
    for await (const chunk of incoming) text += String(chunk);
    const request: ManagerRequest = {
      method: incoming.method ?? "",
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      body: text === "" ? undefined : JSON.parse(text),
    };
    this.requests.push(request);
    const behaviour = this.next.shift() ?? this.documented;
    await behaviour(request, response);
  }

  private readonly documented: Behaviour = ({ method, path, body }, response) => {
    const json = (status: number, content: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(content));
    const fields = (given: unknown, names: readonly string[]) =>
      names.filter((name) => !(given as Record<string, unknown> | undefined)?.[name]);
    const data = (body as { checkpoint_data?: unknown } | undefined)?.checkpoint_data;
    const named = ["container_name", "sandbox_name", "namespace"];
    const missing = (absent: readonly string[], done: unknown) =>
      absent.length > 0 ? json(400, { message: `missing ${absent.join(", ")}` }) : json(200, done);
    switch (`${method} ${path}`) {
      case "POST /checkpoint":
        return void missing(fields(data, [...named, "root"]), { checkpoint_id: CHECKPOINT_ID });
      case "POST /restore":
        return void missing(fields(data, [...named, "root"]), "restored");
      case "POST /checkpoint/rootfs":
      case "POST /restore/rootfs":
        return void missing(
          fields(body, [...named, "address", "image_ref"]),
          (body as { image_ref: string }).image_ref,
        );
      case "POST /checkpoint/rootfs/crio":
        return void missing(
          fields(body, [...named, "image_ref", "new_image_ref"]),
          (body as { new_image_ref: string }).new_image_ref,
        );
      default:
        return void json(404, { message: "Not Found" });
    }
  };
}
