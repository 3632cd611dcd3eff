import { getEventListeners, once } from "node:events";
import { Agent, createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import {
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from "node:net";
import {
  Deadline,
  exchange,
  messageOf,
  NoResponseError,
  open,
  readBody,
  RequestBodyError,
  type ExchangeOptions,
  type HttpRequest,
} from "../../../http";
import { CERTIFICATE, KEY, OTHER_CERTIFICATE } from "../../support/certificate";

let server: Server;
let respond: RequestListener;
let connections: number;
const requests: (Pick<IncomingMessage, "method" | "url" | "headers"> & { readonly text: string })[] = [];

const collect: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { method, url, headers } = request;
    requests.push({ method, url, headers, text: Buffer.concat(chunks).toString() });
    respond(request, response);
  });
};
const listen = async <T extends TcpServer>(listener: T): Promise<T> => {
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return listener;
};
const urlOf = (listener: TcpServer, protocol = "http") =>
  new URL(`${protocol}://127.0.0.1:${(listener.address() as AddressInfo).port}/x`);
const closeServer = async (listener: Server) => {
  listener.closeAllConnections();
  await new Promise((resolve) => listener.close(resolve));
};

beforeAll(async () => {
  server = await listen(createServer(collect));
  server.on("connection", () => connections++);
});
afterAll(() => closeServer(server));
beforeEach(() => {
  connections = 0;
  requests.length = 0;
  respond = (_, response) => response.end("ok");
});

const send = (request: Partial<HttpRequest> = {}, options: Partial<ExchangeOptions> = {}) =>
  exchange({ method: "GET", url: urlOf(server), ...request }, { timeoutMs: 10_000, ...options });
async function failure(work: Promise<unknown>): Promise<Error> {
  const error: unknown = await work.then(
    () => new Error("it succeeded"),
    (thrown: unknown) => thrown,
  );
  return error as Error;
}
async function* streamOf(...chunks: readonly (string | Error)[]) {
  for (const chunk of chunks) {
    if (chunk instanceof Error) throw chunk;
    yield Buffer.from(chunk);
  }
}

describe("a request", () => {
  test.each<[string, HttpRequest["method"], HttpRequest["body"], string, string | undefined]>([
    ["without a body", "GET", undefined, "", undefined],
    ["that could have a body has length 0 without one", "POST", undefined, "", "0"],
    ["with text", "PUT", "Käfer", "Käfer", "6"],
    ["with bytes", "PATCH", Buffer.from("ab"), "ab", "2"],
    ["with a stream", "POST", { content: streamOf("a", "bc"), length: 3 }, "abc", "3"],
    ["with an empty stream", "PUT", { content: [], length: 0 }, "", "0"],
    ["that deletes has the length of its body", "DELETE", "{}", "{}", "2"],
  ])("%s", async (_, method, body, text, length) => {
    await send({ method, body, headers: { "x-a": "b" }, auth: "u:p" });
    expect(requests).toMatchObject([{ method, url: "/x", text }]);
    expect(requests[0]?.headers).toMatchObject({ "x-a": "b", authorization: "Basic dTpw" });
    expect(requests[0]?.headers["content-length"]).toBe(length);
  });

  test("returns status, headers and body, also of a redirect", async () => {
    respond = (_, response) => response.writeHead(307, { location: "/y" }).end("moved");
    const { status, headers, body } = await send();
    expect([status, headers.location, body.toString()]).toEqual([307, "/y", "moved"]);
    expect(requests).toHaveLength(1);
  });

  test("is not ended by the time for a connection once it is sent", async () => {
    jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask", "performance"] });
    respond = (_, response) => {
      jest.advanceTimersByTime(1000);
      response.end("ok");
    };
    expect((await send({ connectTimeoutMs: 1000 })).status).toBe(200);
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });

  test("leaves no listener behind", async () => {
    const { signal } = new AbortController();
    const deadline = new Deadline(10_000, "late", signal);
    const response = await open({ method: "GET", url: urlOf(server) }, deadline);
    const closed = once(response, "close");
    await readBody(response);
    await closed;
    expect(getEventListeners(deadline.signal, "abort")).toEqual([]);
    deadline.close();
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("whose response has no reader yet ends without an uncaught error", async () => {
    respond = (_, response) => response.write("[");
    const deadline = new Deadline(20, "late");
    deadline.stop();
    const response = await open({ method: "GET", url: urlOf(server) }, deadline);
    const closed = new Promise((resolve) => response.once("close", resolve));
    deadline.start();
    await closed;
    deadline.close();
    await expect(readBody(response)).rejects.toThrow("late");
  });

  test("has its own connection, or one of its agent", async () => {
    await send();
    await send();
    expect(connections).toBe(2);
    const agent = new Agent({ keepAlive: true });
    for (let i = 0; i < 3; i++) await send({ agent });
    expect(connections).toBe(3);
    agent.destroy();
  });
});

describe("not sent", () => {
  test("without a server", async () => {
    const gone = await listen(createTcpServer());
    const url = urlOf(gone);
    await new Promise((resolve) => gone.close(resolve));
    const error = await failure(send({ url }));
    expect(error).toBeInstanceOf(NoResponseError);
    expect(error).toMatchObject({ sent: false, outcome: "refused", code: "ECONNREFUSED" });
    expect(error.message).toContain("ECONNREFUSED");
  });

  test("to a server whose certificate another authority signed", async () => {
    const secure = await listen(createSecureServer({ key: KEY, cert: CERTIFICATE }, collect));
    const url = urlOf(secure, "https");
    expect((await send({ url, ca: CERTIFICATE })).status).toBe(200);
    expect(await failure(send({ url, ca: OTHER_CERTIFICATE, body: "secret" }))).toMatchObject({
      sent: false,
    });
    expect(await failure(send({ url }))).toMatchObject({ sent: false });
    expect(requests).toHaveLength(1);
    await closeServer(secure);
  });

  test("without a TLS handshake: by the time for a connection, and by the deadline", async () => {
    const sockets: Socket[] = [];
    const mute = await listen(createTcpServer((socket) => void sockets.push(socket.on("error", () => {}))));
    const url = urlOf(mute, "https");
    expect(await failure(send({ url, connectTimeoutMs: 30 }))).toMatchObject({
      message: "no connection within 0.03 s",
      sent: false,
    });
    expect(await failure(send({ url }, { timeoutMs: 30 }))).toMatchObject({
      message: "no response within 0.03 s: the request was not sent",
      sent: false,
    });
    for (const socket of sockets) socket.destroy();
    mute.close();
  });

  test("once it is canceled: the signal's reason", async () => {
    const reason = new Error("shutdown");
    expect(await failure(send({}, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(connections).toBe(0);
    const controller = new AbortController();
    const sending = failure(send({}, { signal: controller.signal }));
    controller.abort(reason);
    expect(await sending).toBe(reason);
    expect(requests).toEqual([]);
  });
});

describe("after the deadline, in a process that was stopped and whose timers run later", () => {
  afterEach(() => void jest.restoreAllMocks());
  const stopProcess = () => jest.spyOn(performance, "now").mockReturnValue(performance.now() + 10_001);
  /** Whatever a request sent before reaches the server earlier than a further request. */
  const methodsReceived = async () => {
    jest.restoreAllMocks();
    await send();
    return requests.map(({ method }) => method);
  };
  const late = { message: "no response within 10 s: the request was not sent", sent: false };

  test("nothing is sent on a new connection", async () => {
    const sending = failure(send({ method: "POST", body: "x" }));
    stopProcess();
    expect(await sending).toMatchObject(late);
    expect(await methodsReceived()).toEqual(["GET"]);
  });

  test("nothing is sent on a kept connection", async () => {
    const agent = new Agent({ keepAlive: true });
    await send({ agent });
    const sending = failure(send({ agent, method: "POST", body: "x" }));
    stopProcess();
    expect(await sending).toMatchObject(late);
    expect(await methodsReceived()).toEqual(["GET", "GET"]);
    agent.destroy();
  });

  test("nothing is sent after the TLS handshake", async () => {
    const secure = await listen(createSecureServer({ key: KEY, cert: CERTIFICATE }, collect));
    const url = urlOf(secure, "https");
    const sending = failure(send({ url, ca: CERTIFICATE, method: "POST" }));
    stopProcess();
    expect(await sending).toMatchObject(late);
    expect(await methodsReceived()).toEqual(["GET"]);
    await closeServer(secure);
  });

  test("no further part of a stream is sent", async () => {
    async function* content() {
      yield Buffer.from("a");
      stopProcess();
      yield Buffer.from("b");
    }
    const error = await failure(send({ method: "POST", body: { content: content(), length: 2 } }));
    expect(error).toMatchObject({ message: "no response within 10 s", sent: true });
    expect(await methodsReceived()).toEqual(["GET"]);
  });
});

describe("sent, without a complete response", () => {
  test.each<[string, RequestListener, string]>([
    ["a closed connection", (request) => request.socket.destroy(), "socket hang up"],
    [
      "a connection closed in the middle",
      (request, response) => {
        response.writeHead(200, { "content-length": "100" }).write("[");
        setImmediate(() => request.socket.destroy());
      },
      "the response is incomplete: aborted",
    ],
    [
      "an endless response",
      (_, response) => {
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(256 * 1024)));
        };
        response.on("drain", more).on("error", () => {});
        more();
      },
      "the response is larger than 4194304 bytes",
    ],
  ])("%s", async (_, listener, message) => {
    respond = listener;
    const error = await failure(send());
    expect(error).toBeInstanceOf(NoResponseError);
    expect(error.message).toBe(message);
    expect(error).toMatchObject({ sent: true, outcome: "unknown" });
  });

  test.each<[string, RequestListener]>([
    ["silence", () => {}],
    ["a response that stops", (_, response) => response.write("[")],
  ])("%s: ended by the deadline, by idle time, by cancellation", async (_, listener) => {
    const deadline = new Deadline(20, "no response within 0.02 s");
    deadline.stop();
    respond = (request, response) => {
      listener(request, response);
      deadline.start();
    };
    const url = urlOf(server);
    expect(
      await failure(open({ method: "GET", url }, deadline).then((response) => readBody(response))),
    ).toMatchObject({ message: "no response within 0.02 s", sent: true });
    deadline.close();
    respond = listener;
    expect(await failure(send({ idleTimeoutMs: 100 }))).toMatchObject({
      message: "nothing sent or received for 0.1 s",
    });
    const reason = new Error("shutdown");
    const controller = new AbortController();
    respond = (request, response) => {
      listener(request, response);
      setImmediate(() => controller.abort(reason));
    };
    expect(await failure(send({}, { signal: controller.signal }))).toMatchObject({
      message: "the request was canceled",
      sent: true,
      cause: reason,
    });
  });
});

describe("a stream", () => {
  const TOTAL = 256;
  const MIB = Buffer.alloc(1 << 20);
  let produced: number;
  let closed: Promise<void>;
  const large = (): NonNullable<HttpRequest["body"]> => {
    produced = 0;
    let close: () => void;
    closed = new Promise((resolve) => (close = resolve));
    async function* content() {
      try {
        for (; produced < TOTAL; produced++) yield MIB;
      } finally {
        close();
      }
    }
    return { content: content(), length: TOTAL * MIB.length };
  };
  const withServer = async (listener: RequestListener, use: (url: URL) => Promise<void>) => {
    const other = await listen(createServer(listener));
    try {
      await use(urlOf(other));
    } finally {
      await closeServer(other);
    }
  };

  test("is read no faster than the server takes it", () =>
    withServer(
      (request) => request.pause(),
      async (url) => {
        const error = await failure(send({ url, method: "PUT", body: large(), idleTimeoutMs: 200 }));
        expect(error.message).toBe("nothing sent or received for 0.2 s");
        await closed;
        expect(produced).toBeLessThan(TOTAL / 4);
      },
    ));

  test("ends when the server responds early", () =>
    withServer(
      (_, response) => response.writeHead(413).end("too large"),
      async (url) => {
        const agent = new Agent({ keepAlive: true });
        const { status, body } = await send({ url, agent, method: "PUT", body: large() });
        expect([status, body.toString()]).toEqual([413, "too large"]);
        await closed;
        agent.destroy();
        expect(produced).toBeLessThan(TOTAL);
      },
    ));

  test("that fails is reported as such, and the server gets no complete request", async () => {
    const cause = new Error("disk gone");
    let ended: Promise<unknown> | undefined;
    await withServer(
      (request) => {
        ended = once(request, "close");
        request.on("error", () => {}).resume();
      },
      async (url) => {
        const error = await failure(
          send({ url, method: "PUT", body: { content: streamOf("a", cause), length: 2 } }),
        );
        expect(error).toBeInstanceOf(RequestBodyError);
        expect(error.cause).toBe(cause);
        await ended;
      },
    );
    expect(requests).toEqual([]);
  });
});

test("the message of several failed addresses is that of each", () => {
  const errors = [new Error("connect ECONNREFUSED ::1"), new Error("connect ECONNREFUSED 127.0.0.1")];
  expect(messageOf(new AggregateError(errors))).toBe(
    "connect ECONNREFUSED ::1; connect ECONNREFUSED 127.0.0.1",
  );
  expect(messageOf(Object.assign(new AggregateError([]), { code: "ETIMEDOUT" }))).toBe("ETIMEDOUT");
  expect(messageOf("text")).toBe("text");
});
