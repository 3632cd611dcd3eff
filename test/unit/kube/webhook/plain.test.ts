/** Requests that are no reviews: what reaches their handler. */
import { createServer, type AddressInfo } from "node:net";
import { request } from "node:https";
import { connect } from "node:tls";
import { once } from "node:events";
import { issue, WebhookServer, type PlainRequest, type Refusal } from "../../../../kube/webhook";
import { createLogger } from "../../../../kube";

const NAME = "policies.test.svc";
const log = createLogger({ level: "error", destination: { write: () => {} } });

let server: WebhookServer;
let port: number;
let ca: string;
let refused: Refusal[] = [];
const received: PlainRequest[] = [];

beforeAll(async () => {
  port = await free();
  server = new WebhookServer({
    port,
    log,
    handlers: {},
    plain: {
      headers: ["x-one", "x-two"],
      maxBytes: 1000,
      rates: { total: { burst: 1000, perSecond: 1 }, perSource: { burst: 12, perSecond: 0.001 } },
      handle: async (given) => {
        received.push(given);
        return given.path === "/busy"
          ? { status: 429, text: "later", retryAfterSeconds: 7 }
          : { status: 202, text: "done" };
      },
    },
    onRefused: (refusal) => refused.push(refusal),
  });
  const pair = await issue([NAME], Date.now(), "test-ca");
  ca = pair.ca;
  await server.start();
  server.use(pair);
});
afterAll(() => server.close());
beforeEach(() => {
  refused = [];
  received.length = 0;
});

function free(): Promise<number> {
  const probe = createServer();
  return new Promise((resolve) =>
    probe.listen(0, () => {
      const { port: found } = probe.address() as AddressInfo;
      probe.close(() => resolve(found));
    }),
  );
}

const call = (
  path: string,
  body: string,
  more: { method?: string; headers?: object; localAddress?: string } = {},
) =>
  new Promise<{ status?: number | undefined; text: string; retryAfter?: string | undefined }>(
    (resolve, reject) => {
      const { method = "POST", headers = {}, localAddress = "127.0.0.1" } = more;
      const options = {
        port,
        host: "127.0.0.1",
        path,
        method,
        ca,
        servername: NAME,
        agent: false as const,
        headers: { ...headers },
        localAddress,
      };
      const sent = request(options, (response) => {
        let text = "";
        response.on("data", (chunk) => (text += String(chunk)));
        response.on("end", () =>
          resolve({ status: response.statusCode, text, retryAfter: response.headers["retry-after"] }),
        );
      });
      sent.on("error", reject);
      sent.end(body);
    },
  );

test("the handler receives path, body and the named headers", async () => {
  const headers = { "x-one": "1", "x-three": "3", authorization: "no" };
  expect(await call("/a/b?c=d", "héllo", { headers })).toEqual({ status: 202, text: "done" });
  expect(received).toEqual([{ path: "/a/b", headers: { "x-one": "1" }, body: "héllo" }]);
  expect(await call("/busy", "")).toEqual({ status: 429, text: "later", retryAfter: "7" });
});

test("refuses other methods, large bodies and slow ones, and counts them", async () => {
  expect(await call("/a", "", { method: "PUT" })).toMatchObject({ status: 405 });
  expect(await call("/a", "x".repeat(1001))).toMatchObject({ status: 413 });
  expect(await call("/a", "x".repeat(1001), { headers: { "transfer-encoding": "chunked" } })).toMatchObject({
    status: 413,
  });
  expect(refused).toEqual(["size", "size"]);
  const socket = connect({ port, host: "127.0.0.1", ca, servername: NAME });
  await once(socket, "secureConnect");
  socket.write("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 900\r\n\r\nx");
  socket.resume();
  await once(socket, "close");
  expect(refused).toEqual(["size", "size", "time"]);
  expect(received).toEqual([]);
}, 30_000);

test("a source that sends too many requests is refused, and others are served", async () => {
  const from = (localAddress: string) => call("/a", "", { localAddress });
  const results = await Promise.all(Array.from({ length: 14 }, () => from("127.0.0.9")));
  expect(results.filter(({ status }) => status === 429)).toHaveLength(2);
  expect(refused).toEqual(["requests", "requests"]);
  expect(received).toHaveLength(12);
  expect(await from("127.0.0.10")).toMatchObject({ status: 202 });
}, 30_000);
