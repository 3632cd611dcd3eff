import type { RequestListener } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { KubeletClient, KubeletError } from "../../../clients/kubelet";
import { CERTIFICATE, KEY, OTHER_CERTIFICATE } from "../../support/kubelet-certificate";

let server: Server;
let respond: RequestListener;
const requests: string[] = [];
const ARCHIVE = "/var/lib/kubelet/checkpoints/checkpoint-web_shop-app-2026-11-21T15:00:00Z.tar";
const CONTAINER = { namespace: "shop", pod: "web", container: "app", timeoutSeconds: 30 };

beforeAll(async () => {
  server = createServer({ key: KEY, cert: CERTIFICATE }, (request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    respond(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests.length = 0;
  respondWith(200, JSON.stringify({ items: [ARCHIVE] }));
});

const respondWith = (status: number, text: string) => {
  respond = (_, response) => response.writeHead(status).end(text);
};
const port = () => (server.address() as AddressInfo).port;
const client = ({ at = port(), ca = CERTIFICATE } = {}) =>
  new KubeletClient({ url: `https://127.0.0.1:${at}`, token: async () => "t0ken", ca: async () => ca });

async function failure(work: Promise<unknown>): Promise<KubeletError> {
  const error = await work.then(
    () => new Error("it succeeded"),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(KubeletError);
  return error as KubeletError;
}

test("sends one request, with the token and the kubelet's timeout", async () => {
  expect(await client().checkpoint(CONTAINER)).toEqual([ARCHIVE]);
  expect(requests).toEqual(["POST /checkpoint/shop/web/app?timeout=30 Bearer t0ken"]);
});

test.each<[number, string, string, Partial<KubeletError>]>([
  [
    401,
    "Unauthorized",
    "rejects this ServiceAccount's token: Unauthorized",
    { outcome: "refused", retryable: true },
  ],
  [
    403,
    "Forbidden (user=x)",
    "requires the permission create on nodes/checkpoint: Forbidden",
    { outcome: "refused", retryable: true },
  ],
  [
    404,
    "pod not found",
    "has no container app in pod shop/web: pod not found",
    { outcome: "refused", retryable: false },
  ],
  [405, "", "rejects the request with 405: HTTP 405", { outcome: "refused", retryable: false }],
  [500, "criu failed: dump", "failed: criu failed: dump", { outcome: "failed", retryable: true }],
  [200, "{}", "has no archive path: {}", { outcome: "unknown", retryable: true }],
  [200, '{"items":[7]}', "has no archive path", { outcome: "unknown", retryable: true }],
  [200, "<html>", "has no archive path", { outcome: "unknown", retryable: true }],
])("reports a response %i %s", async (status, text, message, expected) => {
  respondWith(status, text);
  const error = await failure(client().checkpoint(CONTAINER));
  expect(error.message).toContain(message);
  expect(error.message).not.toContain("t0ken");
  expect(error).toMatchObject({ status, ...expected });
  expect(requests).toHaveLength(1);
});

test("a connection closed without a response: the outcome is unknown", async () => {
  respond = (request) => request.socket.destroy();
  const error = await failure(client().checkpoint(CONTAINER));
  expect(error).toMatchObject({ outcome: "unknown", status: undefined });
});

test("no kubelet: the outcome is refused", async () => {
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, "127.0.0.1", resolve));
  const at = (gone.address() as AddressInfo).port;
  await new Promise((resolve) => gone.close(resolve));
  const error = await failure(client({ at }).checkpoint(CONTAINER));
  expect(error).toMatchObject({ outcome: "refused", retryable: true });
  expect(error.message).toContain("ECONNREFUSED");
});

test("sends nothing to a kubelet whose certificate another authority signed", async () => {
  const error = await failure(client({ ca: OTHER_CERTIFICATE }).checkpoint(CONTAINER));
  expect(error).toMatchObject({ outcome: "refused", retryable: true });
  expect(requests).toEqual([]);
});

test("cancellation: the signal's reason before the request is sent, an unknown outcome after", async () => {
  const reason = new Error("shutdown");
  await expect(client().checkpoint(CONTAINER, AbortSignal.abort(reason))).rejects.toBe(reason);
  const stop = new AbortController();
  respond = () => stop.abort(reason);
  expect(await failure(client().checkpoint(CONTAINER, stop.signal))).toMatchObject({ outcome: "unknown" });
});
