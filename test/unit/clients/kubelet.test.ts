import type { RequestListener } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { KubeletClient, KubeletError } from "../../../clients/kubelet";
import { CERTIFICATE, KEY, OTHER_CERTIFICATE } from "../../support/kubelet-certificate";

let server: Server;
let answer: RequestListener;
const requests: string[] = [];
const ARCHIVE = "/var/lib/kubelet/checkpoints/checkpoint-web_shop-app-2026-11-21T15:00:00Z.tar";
const WHAT = { namespace: "shop", pod: "web", container: "app", timeoutSeconds: 30 };

beforeAll(async () => {
  server = createServer({ key: KEY, cert: CERTIFICATE }, (request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests.length = 0;
  says(200, JSON.stringify({ items: [ARCHIVE] }));
});

const says = (status: number, text: string) => {
  answer = (_, response) => response.writeHead(status).end(text);
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

test("asks once, as the account, with the time that the kubelet has", async () => {
  expect(await client().checkpoint(WHAT)).toEqual([ARCHIVE]);
  expect(requests).toEqual(["POST /checkpoint/shop/web/app?timeout=30 Bearer t0ken"]);
});

test.each<[number, string, string, Partial<KubeletError>]>([
  [401, "Unauthorized", "does not know this account's token", { outcome: "refused", retryable: true }],
  [403, "Forbidden (user=x)", "needs create on nodes/checkpoint", { outcome: "refused", retryable: true }],
  [404, "pod not found", "no container app in a pod shop/web", { outcome: "refused", retryable: false }],
  [405, "", "refuses with 405: HTTP 405", { outcome: "refused", retryable: false }],
  [500, "criu failed: dump", "says: criu failed: dump", { outcome: "failed", retryable: true }],
  [200, "{}", "without the path of an archive: {}", { outcome: "unknown", retryable: true }],
  [200, '{"items":[7]}', "without the path", { outcome: "unknown", retryable: true }],
  [200, "<html>", "without the path", { outcome: "unknown", retryable: true }],
])("an answer %i %s", async (status, text, words, expected) => {
  says(status, text);
  const error = await failure(client().checkpoint(WHAT));
  expect(error.message).toContain(words);
  expect(error.message).not.toContain("t0ken");
  expect(error).toMatchObject({ status, ...expected });
  expect(requests).toHaveLength(1);
});

test("an answer that is cut off leaves it unknown what came of it", async () => {
  answer = (request) => request.socket.destroy();
  const error = await failure(client().checkpoint(WHAT));
  expect(error).toMatchObject({ outcome: "unknown", status: undefined });
});

test("nobody there: nothing left", async () => {
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, "127.0.0.1", resolve));
  const at = (gone.address() as AddressInfo).port;
  await new Promise((resolve) => gone.close(resolve));
  const error = await failure(client({ at }).checkpoint(WHAT));
  expect(error).toMatchObject({ outcome: "refused", retryable: true });
  expect(error.message).toContain("ECONNREFUSED");
});

test("a kubelet that the cluster's authority does not vouch for gets neither token nor question", async () => {
  const error = await failure(client({ ca: OTHER_CERTIFICATE }).checkpoint(WHAT));
  expect(error).toMatchObject({ outcome: "refused", retryable: true });
  expect(requests).toEqual([]);
});

test("given up before anything left: the signal's reason; after: unknown", async () => {
  const reason = new Error("the agent stops");
  await expect(client().checkpoint(WHAT, AbortSignal.abort(reason))).rejects.toBe(reason);
  const stop = new AbortController();
  answer = () => stop.abort(reason);
  expect(await failure(client().checkpoint(WHAT, stop.signal))).toMatchObject({ outcome: "unknown" });
});
