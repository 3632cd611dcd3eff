import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { config } from "../../../../package.json";
import {
  ApiError,
  Client,
  Discovery,
  KubernetesApi,
  type ApiOptions,
  type WatchEvent,
} from "../../../../kube/client";

let server: Server;
let respond: RequestListener;
let sockets: Socket[];
const requests: (Pick<IncomingMessage, "method" | "url" | "headers"> & { text: string })[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url, headers } = request;
      requests.push({ method, url, headers, text: Buffer.concat(chunks).toString() });
      respond(request, response);
    });
  });
  server.on("connection", (socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  sockets = [];
  requests.length = 0;
  respond = (_, response) => json(response, 200, { kind: "Node" });
});

const origin = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const api = (options?: ApiOptions, prefix = "") =>
  new KubernetesApi(origin() + prefix, async () => {}, options);

function json(response: ServerResponse, status: number, content: unknown, headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(content));
}

/** Fakes the timers of deadlines; sockets use the real clock. */
const fakeClock = () =>
  void jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "clearImmediate", "queueMicrotask"] });
afterEach(() => void jest.useRealTimers());

async function failure(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it succeeded");
}

test("objects are read without managedFields if that is requested", async () => {
  fakeClock();
  const node = { metadata: { name: "n", managedFields: [{ manager: "kubelet" }] } };
  respond = ({ url }, response) => {
    const content = url?.includes("watch") ? { type: "ADDED", object: node } : node;
    response.writeHead(200).end(`${JSON.stringify(content)}\n`);
  };
  const read = async (options: ApiOptions) => {
    const watch = { signal: new AbortController().signal, idleTimeoutMs: 1000 };
    const objects: unknown[] = [await api(options).send("GET", "/api/v1/nodes/n")];
    for await (const { object } of api(options).watch("/api/v1/nodes", watch)) objects.push(object);
    return objects;
  };
  const kept = { metadata: { name: "n", managedFields: [] } };
  expect(await read({ withoutManagedFields: true })).toEqual([kept, kept]);
  expect(await read({})).toEqual([node, node]);
});

describe("send", () => {
  test("sends JSON with its content type and query, and reads JSON", async () => {
    const content = [{ op: "test", path: "/spec/taints", value: [] }];
    const body = { type: "application/json-patch+json", content };
    const query = { fieldManager: "x y" };
    expect(await api().send("PATCH", "/api/v1/nodes/n?dryRun=All", body, { query })).toEqual({
      kind: "Node",
    });
    expect(requests).toEqual([
      {
        method: "PATCH",
        url: "/api/v1/nodes/n?dryRun=All&fieldManager=x+y",
        text: JSON.stringify(content),
        headers: expect.objectContaining({
          "content-type": "application/json-patch+json",
          accept: "application/json",
          "user-agent": `cedana-cdk/${config.version}`,
        }),
      },
    ]);
  });

  test.each(["GET", "POST", "PUT", "PATCH", "DELETE"] as const)("%s", async (method) => {
    const client = api({ userAgent: "cedana-controller/1" });
    const headers = { "user-agent": "cedana-controller/1" };
    await client.send(method, "api/v1/nodes");
    await client.send(method, "api/v1/nodes", { type: "application/json", content: { name: "Käfer" } });
    expect(requests).toMatchObject([
      { method, headers, text: "" },
      { method, headers, text: '{"name":"Käfer"}' },
    ]);
  });

  test("keeps the path of the server's address", async () => {
    await api({}, "/k8s/clusters/c").send("GET", "/api/v1/nodes");
    expect(requests[0]?.url).toBe("/k8s/clusters/c/api/v1/nodes");
  });

  test("uses one connection for consecutive requests", async () => {
    const client = api();
    for (let i = 0; i < 5; i++) await client.send("GET", "/api/v1/nodes");
    expect(sockets).toHaveLength(1);
  });

  test("returns reason and details of a Status", async () => {
    respond = (_, response) =>
      json(response, 409, { kind: "Status", message: "it has been modified", reason: "Conflict", code: 409 });
    const error = await failure(
      api().send("PUT", "/api/v1/nodes/n", { type: "application/json", content: {} }),
    );
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 409, reason: "Conflict", message: "it has been modified" });
    expect(requests).toHaveLength(1);
  });

  test("reports the HTTP status of a response that is not from Kubernetes", async () => {
    respond = (_, response) => response.writeHead(502).end("<html>Bad gateway");
    expect(await failure(api().send("GET", "/x"))).toMatchObject({ status: 502, message: "HTTP 502" });
    respond = (_, response) => response.end("<html>Sign in");
    expect((await failure(api().send("GET", "/x"))).message).toBe(
      "the API server's response is not JSON: <html>Sign in",
    );
  });

  test.each<[string, (response: ServerResponse) => void]>([
    ["no bytes", () => {}],
    ["a part of the response", (response) => response.write(" ")],
  ])("fails when the whole response is not received in time: %s", async (_, startResponse) => {
    fakeClock();
    respond = (_, response) => {
      startResponse(response);
      jest.advanceTimersByTime(30_000);
    };
    expect((await failure(api().send("GET", "/x"))).message).toBe("no response within 30 s");
  });

  test("fails in time while credentials are requested", async () => {
    const client = new KubernetesApi(origin(), () => new Promise(() => {}));
    expect((await failure(client.send("GET", "/x", undefined, { timeoutMs: 10 }))).message).toContain(
      "no response",
    );
  });

  test("sends nothing after its deadline, although the process was stopped and its timers run later", async () => {
    const client = api();
    const now = performance.now();
    const sending = failure(client.send("PATCH", "/x", { type: "application/json", content: 1 }));
    const clock = jest.spyOn(performance, "now").mockReturnValue(now + 60_000);
    expect((await sending).message).toBe("no response within 30 s: the request was not sent");
    clock.mockRestore();
    // The server would receive an earlier request before this one.
    await client.send("GET", "/y");
    expect(requests.map(({ url }) => url)).toEqual(["/y"]);
  });

  test("is canceled by the signal before, during and after the headers", async () => {
    const reason = new Error("stop");
    const send = (signal: AbortSignal) => failure(api().send("GET", "/x", undefined, { signal }));
    expect(await send(AbortSignal.abort(reason))).toBe(reason);
    expect(requests).toEqual([]);
    for (const startResponse of [() => {}, (response: ServerResponse) => response.write("{")]) {
      const controller = new AbortController();
      respond = (_, response) => {
        startResponse(response);
        setImmediate(() => controller.abort(reason));
      };
      expect(await send(controller.signal)).toBe(reason);
    }
  });

  test("reports a closed connection", async () => {
    respond = (request) => request.socket.destroy();
    expect(await failure(api().send("GET", "/x"))).toMatchObject({ code: "ECONNRESET" });
    respond = (request, response) => {
      response.writeHead(200, { "content-length": "100" }).write('{"kind":', () => request.socket.destroy());
    };
    expect(await failure(api().send("GET", "/x"))).toMatchObject({ code: "ECONNRESET" });
  });

  test("waits for the Retry-After of a busy API server", async () => {
    respond = (_, response) => {
      if (requests.length < 3) json(response, 429, { reason: "TooManyRequests" }, { "retry-after": "0" });
      else json(response, 200, { kind: "Pod" });
    };
    expect(await api().send("POST", "/x", { type: "application/json", content: {} })).toEqual({
      kind: "Pod",
    });
    expect(requests).toHaveLength(3);
  });

  test("does not wait beyond its deadline, more than ten times, or without a Retry-After", async () => {
    const busy = (headers: object) => {
      requests.length = 0;
      respond = (_, response) => json(response, 429, { reason: "TooManyRequests" }, headers);
      return failure(api().send("GET", "/x", undefined, { timeoutMs: 2000 }));
    };
    expect(await busy({ "retry-after": "3" })).toMatchObject({ status: 429, retryAfterMs: 3000 });
    expect(requests).toHaveLength(1);
    expect(await busy({})).toMatchObject({ status: 429, retryAfterMs: undefined });
    expect(requests).toHaveLength(1);
    expect(await busy({ "retry-after": "0" })).toMatchObject({ status: 429, retryAfterMs: 0 });
    expect(requests).toHaveLength(11);
  });

  test("observes each response, and each request without one", async () => {
    const codes: string[] = [];
    const client = api({ observe: ({ method, code }) => codes.push(`${method} ${code}`) });
    await client.send("GET", "/x");
    respond = (_, response) => json(response, 404, {});
    await failure(client.send("DELETE", "/x"));
    respond = (request) => request.socket.destroy();
    await failure(client.send("GET", "/x"));
    expect(codes).toEqual(["GET 200", "DELETE 404", "GET <error>"]);
  });
});

describe("watch", () => {
  // A busy machine may need longer than the deadline.
  beforeEach(fakeClock);
  const options = (signal = new AbortController().signal, idleTimeoutMs = 1000) => ({
    signal,
    idleTimeoutMs,
  });
  const event = (name: string, type = "ADDED") =>
    `${JSON.stringify({ type, object: { metadata: { name } } })}\n`;
  const names = async (events: AsyncIterable<WatchEvent>, seen: string[] = []) => {
    for await (const { type, object } of events)
      seen.push(`${type} ${(object as { metadata?: { name: string } }).metadata?.name}`);
    return seen;
  };

  test("reads one event per line, however the chunks are split", async () => {
    const bytes = Buffer.from(event("Käfer-🐞") + event("b", "DELETED") + "\n" + event("c"));
    respond = (_, response) => {
      response.writeHead(200);
      for (const byte of bytes) response.write(Buffer.of(byte));
      response.end();
    };
    const seen = await names(api().watch("/api/v1/nodes", { ...options(), query: { resourceVersion: "5" } }));
    expect(seen).toEqual(["ADDED Käfer-🐞", "DELETED b", "ADDED c"]);
    expect(requests[0]?.url).toBe("/api/v1/nodes?resourceVersion=5&watch=true");
  });

  test("returns the events before a closed connection, then its error", async () => {
    respond = (request, response) => {
      response.write(event("a"), () => request.socket.destroy());
    };
    const seen: string[] = [];
    expect(await failure(names(api().watch("/x", options()), seen))).toMatchObject({ code: "ECONNRESET" });
    expect(seen).toEqual(["ADDED a"]);
    respond = (_, response) => response.end(event("a").slice(0, 20));
    expect((await failure(names(api().watch("/x", options())))).message).toBe(
      "the watch ended inside an event",
    );
  });

  test.each([
    ["before", 0],
    ["after", 1],
  ])("fails if nothing is received %s the headers", async (_, opened) => {
    const onOpen = jest.fn(() => setImmediate(() => jest.advanceTimersByTime(1000)));
    respond = (_, response) => (opened ? response.write(event("a")) : jest.advanceTimersByTime(1000));
    const error = await failure(names(api().watch("/x", { ...options(), onOpen })));
    expect(error.message).toBe("nothing received for 1 s");
    expect(onOpen).toHaveBeenCalledTimes(opened);
  });

  test("counts idle time from the response of the API server", async () => {
    respond = (_, response) => {
      jest.advanceTimersByTime(900);
      response.flushHeaders();
      onOpen = () => {
        jest.advanceTimersByTime(900);
        response.end(event("a"));
      };
    };
    let onOpen = () => {};
    const events = api().watch("/x", { ...options(), onOpen: () => onOpen() });
    expect(await names(events)).toEqual(["ADDED a"]);
  });

  test("does not count the time in which its reader handles an event", async () => {
    let seen = 0;
    let sendNext = () => {};
    respond = (_, response) => {
      sendNext = () => (seen < 4 ? response.write(event(String(seen))) : response.end());
      sendNext();
    };
    for await (const _ of api().watch("/x", options())) {
      seen++;
      jest.advanceTimersByTime(100_000);
      sendNext();
    }
    expect(seen).toBe(4);
  });

  test("rejects a line that is not an event", async () => {
    respond = (_, response) => response.end(`${event("a")}<html>\n`);
    expect((await failure(names(api().watch("/x", options())))).message).toContain("is not JSON: <html>");
    respond = (_, response) => json(response, 200, { kind: "NodeList", items: [] });
    expect((await failure(names(api().watch("/x", options())))).message).toContain("ended inside an event");
    respond = (_, response) => response.end('{"kind":"NodeList"}\n');
    expect((await failure(names(api().watch("/x", options())))).message).toContain("is not a watch event");
  });

  test("throws an ApiError at once for a status other than 2xx", async () => {
    respond = (_, response) => json(response, 410, { reason: "Expired", message: "too old" });
    expect(await failure(names(api().watch("/x", options())))).toMatchObject({
      status: 410,
      reason: "Expired",
    });
  });

  test("closes the connection without an error when the signal aborts or its reader returns", async () => {
    respond = (_, response) => response.write(event("a"));
    const controller = new AbortController();
    for await (const _ of api().watch("/x", options(controller.signal))) controller.abort();
    expect(await names(api().watch("/x", options(AbortSignal.abort())))).toEqual([]);
    for await (const _ of api().watch("/x", options())) break;
    await Promise.all(
      sockets
        .filter(({ destroyed }) => !destroyed)
        .map((socket) => new Promise((end) => socket.once("close", end))),
    );
    expect(requests).toHaveLength(2);
  });
});

describe("discovery", () => {
  test("finds resources by what the API server serves, requested once", async () => {
    respond = (request, response) => {
      if (request.url === "/api/v1")
        return json(response, 200, {
          resources: [
            { kind: "Pod", name: "pods", namespaced: true },
            { kind: "Pod", name: "pods/status", namespaced: true },
          ],
        });
      return request.url?.endsWith("/p") ? json(response, 200, { kind: "Pod" }) : json(response, 404, {});
    };
    const discovery = new Discovery(api());
    const client = new Client(api(), { fieldManager: "test" });
    const get = async (object: Parameters<Discovery["find"]>[0]) => {
      const found = await discovery.find(object);
      return found && client.get(found.kind, found.key);
    };
    const pod = (name: string) => ({ apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "a" } });
    expect(await get(pod("p"))).toEqual({ kind: "Pod" });
    expect(await get(pod("q"))).toBeUndefined();
    expect(await get({ ...pod("p"), apiVersion: "x.io/v1" })).toBeUndefined();
    expect(requests.map(({ url }) => url)).toEqual([
      "/api/v1",
      "/api/v1/namespaces/a/pods/p",
      "/api/v1/namespaces/a/pods/q",
      "/apis/x.io/v1",
    ]);
  });
});
