/** Attempts to deliver a notification, over real TLS connections. */
import { randomBytes } from "node:crypto";
import { createServer, type AddressInfo } from "node:net";
import { outcomeOf, sender, type Attempt } from "../../../../../controller/policies/notify/sender";
import { Keys } from "../../../../../controller/policies/webhook/keys";
import { keysOf } from "../../../../../controller/policies/webhook/signature";
import { issue, type Pair } from "../../../../../kube/webhook";
import { isValid, WebhookReceiver } from "../../../../support/webhook-receiver";

const SECRET = `whsec_${randomBytes(32).toString("base64")}`;
const MESSAGE = { id: "msg_1", body: JSON.stringify({ type: "cedana.policy.due", text: "Größe" }) };
const live = new AbortController().signal;
let pair: Pair;
let receiver: WebhookReceiver;

beforeAll(async () => {
  pair = await issue(["localhost"], Date.now(), "receiver");
});
beforeEach(async () => {
  receiver = await WebhookReceiver.start({ secret: SECRET, ...pair });
});
afterEach(() => receiver.stop());

interface Given {
  readonly url?: string;
  readonly caBundle?: string;
  readonly keys?: readonly string[];
  readonly refuse?: () => undefined;
  readonly signal?: AbortSignal;
}

function attempt(given: Given = {}): Promise<Attempt> {
  const { url = `https://localhost:${receiver.port}/hook`, keys = [SECRET], signal = live } = given;
  const { caBundle = pair.ca } = given;
  const read = { of: () => Promise.resolve(keysOf(keys.join("\n"))) };
  const refuse = "refuse" in given ? given.refuse : () => undefined;
  const send = sender({ keys: read, namespace: "cedana-system", ...(refuse && { refuse }) });
  return send({ name: "ops", url, secret: { name: "keys", key: "ops" }, caBundle }, MESSAGE, signal);
}

test("the receiver can verify the signature", async () => {
  expect(await attempt()).toEqual({ is: "delivered" });
  const [request] = receiver.received;
  expect(request).toMatchObject({ id: "msg_1", path: "/hook", body: MESSAGE.body, isValid: true });
  const { headers = {} } = request ?? {};
  expect(headers["content-type"]).toBe("application/json");
  // The check itself rejects another key, body, id and time.
  expect(await isValid(`whsec_${randomBytes(32).toString("base64")}`, headers, MESSAGE.body)).toBe(false);
  expect(await isValid(SECRET, headers, `${MESSAGE.body} `)).toBe(false);
  expect(await isValid(SECRET, { ...headers, "webhook-id": "msg_2" }, MESSAGE.body)).toBe(false);
  const other = String(Number(headers["webhook-timestamp"]) + 1);
  expect(await isValid(SECRET, { ...headers, "webhook-timestamp": other }, MESSAGE.body)).toBe(false);
});

test("while a key is replaced, a request has a signature of each", async () => {
  const next = `whsec_${randomBytes(24).toString("base64")}`;
  await attempt({ keys: [next, SECRET] });
  const { headers = {}, isValid: ofOld, body = "" } = receiver.received[0] ?? {};
  expect(ofOld).toBe(true);
  expect(await isValid(next, headers, body)).toBe(true);
  expect(headers["webhook-signature"]).toMatch(/^v1,\S+ v1,\S+$/);
});

test("does not follow a redirect, and does not count it as a delivery", async () => {
  const other = await WebhookReceiver.start({ secret: SECRET, ...pair });
  receiver.respond = (_, response) =>
    void response.writeHead(307, { location: `https://localhost:${other.port}/` }).end();
  expect(await attempt()).toEqual({ is: "rejected", cause: "HTTP 307: redirects are not followed" });
  other.stop();
  expect(other.connections).toBe(0);
});

test("sends no request to a server whose certificate has an unknown authority or another name", async () => {
  const unknown = await issue(["localhost"], Date.now(), "unknown");
  expect(await attempt({ caBundle: unknown.ca })).toMatchObject({
    is: "failed",
    cause: expect.stringMatching(/^no response: (UNABLE_TO_|SELF_SIGNED|CERT_)/),
  });
  expect(await attempt({ url: `https://127.0.0.1:${receiver.port}/` })).toMatchObject({
    is: "failed",
    cause: "no response: ERR_TLS_CERT_ALTNAME_INVALID",
  });
  expect(receiver.received).toEqual([]);
});

test("does not connect to addresses of the node itself", async () => {
  const refuse = undefined as never;
  expect(await attempt({ refuse })).toMatchObject({ is: "failed", cause: "its address is refused" });
  expect(await attempt({ refuse, url: "https://169.254.169.254/latest" })).toMatchObject({
    is: "failed",
    cause: "its address is refused",
  });
  expect(receiver.connections).toBe(0);
});

test("does not read the response, whatever its size", async () => {
  let sent = 0;
  receiver.respond = (_, response) => {
    response.writeHead(200);
    const chunk = Buffer.alloc(65_536, "x");
    const more = () => {
      while (sent < 1 << 28 && !response.destroyed && response.write(chunk)) sent += chunk.length;
    };
    response.on("drain", more);
    more();
  };
  expect(await attempt()).toEqual({ is: "delivered" });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(sent).toBeLessThan(1 << 24);
});

test("a receiver that does not respond, is down, or closes the connection", async () => {
  const { port } = receiver;
  receiver.respond = (_, response) => void response.destroy();
  expect(await attempt()).toMatchObject({
    is: "failed",
    cause: expect.stringMatching(/^no response|closed/),
  });
  const stop = new AbortController();
  receiver.respond = () => stop.abort(new Error("the lease is lost"));
  await expect(attempt({ signal: stop.signal })).rejects.toThrow("the request was canceled");
  receiver.stop();
  expect(await attempt({ url: `https://localhost:${port}/` })).toMatchObject({
    is: "failed",
    cause: "no response: ECONNREFUSED",
  });
});

test("sends no request to a port without TLS", async () => {
  let text = "";
  const server = createServer((socket) => {
    socket.on("data", (chunk) => (text += chunk.toString("latin1")));
    socket.on("error", () => {});
    socket.end("HTTP/1.1 200 OK\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  expect(await attempt({ url: `https://localhost:${port}/` })).toMatchObject({ is: "failed" });
  server.close();
  expect(text).not.toContain("msg_1");
});

test("reports a key that cannot be read without its name, and with its name in the log", async () => {
  const keys = new Keys({
    client: { get: () => Promise.resolve({ other: "" }) as never },
    secrets: ["keys"],
    setting: "install.policies.notify.destinations",
  });
  const send = sender({ keys, namespace: "cedana-system" });
  const result = await send(
    { name: "ops", url: "https://192.0.2.1/", secret: { name: "keys", key: "ops" } },
    MESSAGE,
    live,
  );
  expect(result).toEqual({
    is: "failed",
    cause: "the signing key cannot be read",
    detail: "Secret cedana-system/keys has no key ops",
  });
});

test.each<[number, string | undefined, Attempt]>([
  [200, undefined, { is: "delivered" }],
  [299, undefined, { is: "delivered" }],
  [302, undefined, { is: "rejected", cause: "HTTP 302: redirects are not followed" }],
  [410, undefined, { is: "rejected", cause: "HTTP 410" }],
  [401, "60", { is: "failed", cause: "HTTP 401" }],
  [429, "60", { is: "failed", cause: "HTTP 429", retryAfterMs: 60_000 }],
  [503, "Sat, 28 Nov 2026 00:01:00 GMT", { is: "failed", cause: "HTTP 503", retryAfterMs: 60_000 }],
  [503, "Fri, 27 Nov 2026 00:01:00 GMT", { is: "failed", cause: "HTTP 503", retryAfterMs: 0 }],
  [429, "999999999", { is: "failed", cause: "HTTP 429", retryAfterMs: 3_600_000 }],
  [429, "soon", { is: "failed", cause: "HTTP 429" }],
  [500, undefined, { is: "failed", cause: "HTTP 500" }],
])("HTTP %s with Retry-After %s", (status, retryAfter, expected) => {
  expect(outcomeOf(status, retryAfter, Date.parse("2026-11-28T00:00:00Z"))).toEqual(expected);
});
