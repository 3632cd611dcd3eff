import { CONTAINER_ROOTS, ManagerClient, ManagerError } from "../../../../clients/cedana/manager";
import {
  respondWith,
  CHECKPOINT_ID,
  cut,
  cutShort,
  endless,
  ManagerServer,
  silent,
  stalled,
  type Behaviour,
} from "../../../support/manager-server";

const CONTAINER = { namespace: "team-a", sandboxName: "counter-0", containerName: "counter" };
const NAMES = { namespace: "team-a", sandbox_name: "counter-0", container_name: "counter" };
const ADDRESS = "/run/containerd/containerd.sock";

let server: ManagerServer;
beforeAll(async () => {
  server = await ManagerServer.start();
});
afterAll(() => server.stop());
beforeEach(() => {
  server.requests.length = 0;
  server.next.length = 0;
});

const client = (options: Partial<ConstructorParameters<typeof ManagerClient>[0]> = {}) =>
  new ManagerClient({
    url: server.url,
    root: CONTAINER_ROOTS.kubernetes,
    timeoutMs: 2000,
    retryDelaysMs: [1, 1],
    ...options,
  });
const checkpoint = (manager = client()) => manager.checkpoint({ ...CONTAINER, leaveRunning: true });
const errorOf = async (work: Promise<unknown>): Promise<ManagerError> => {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ManagerError);
  return error as ManagerError;
};

describe("requests", () => {
  test("checkpoint to remote storage, container keeps running", async () => {
    expect(await checkpoint()).toEqual({ checkpointId: CHECKPOINT_ID });
    expect(server.requests).toEqual([
      {
        method: "POST",
        path: "/checkpoint",
        query: {},
        body: { checkpoint_data: { ...NAMES, root: "/run/containerd/runc/k8s.io" }, leave_running: true },
      },
    ]);
  });

  test("checkpoint to a path, container stops; with another root, and a path in the URL", async () => {
    server.next.push(respondWith(200, "{}"));
    const manager = client({ url: `${server.url}/cedana`, root: CONTAINER_ROOTS.k3s });
    expect(await manager.checkpoint({ ...CONTAINER, path: "/tmp/a", leaveRunning: false })).toEqual({});
    expect(server.requests[0]).toMatchObject({
      path: "/cedana/checkpoint",
      body: {
        checkpoint_data: { ...NAMES, checkpoint_path: "/tmp/a", root: "/host/run/containerd/runc/k8s.io" },
        leave_running: false,
      },
    });
  });

  test("restore from a path and from remote storage", async () => {
    await client().restore({ ...CONTAINER, path: "/tmp/a" });
    await client({ root: CONTAINER_ROOTS.default }).restore({ ...CONTAINER, checkpointId: CHECKPOINT_ID });
    expect(server.requests.map(({ path, body }) => [path, body])).toEqual([
      [
        "/restore",
        { checkpoint_data: { ...NAMES, checkpoint_path: "/tmp/a", root: "/run/containerd/runc/k8s.io" } },
      ],
      ["/restore", { checkpoint_data: { ...NAMES, checkpoint_id: CHECKPOINT_ID, root: "/run/runc" } }],
    ]);
  });

  test("checkpoint and restore of root file systems, with containerd and CRI-O", async () => {
    const containerd = { ...CONTAINER, address: ADDRESS, imageRef: "registry.example/a:1" };
    expect(await client().checkpointRootfs(containerd)).toBe("registry.example/a:1");
    await client().restoreRootfs(containerd);
    const crio = { ...CONTAINER, imageRef: "registry.example/a:1", newImageRef: "registry.example/a:2" };
    expect(await client().checkpointRootfsCrio(crio)).toBe("registry.example/a:2");
    const containerdBody = { ...NAMES, address: ADDRESS, image_ref: "registry.example/a:1" };
    expect(server.requests.map(({ method, path, body }) => [method, path, body])).toEqual([
      ["POST", "/checkpoint/rootfs", containerdBody],
      ["POST", "/restore/rootfs", containerdBody],
      [
        "POST",
        "/checkpoint/rootfs/crio",
        { ...NAMES, image_ref: "registry.example/a:1", new_image_ref: "registry.example/a:2" },
      ],
    ]);
  });
});

describe("reads the id of a checkpoint from a response", () => {
  test.each([
    ["with unknown fields", `{"checkpoint_id":"${CHECKPOINT_ID}","size":7,"more":{}}`],
    ["quoted twice", `{"checkpoint_id":"\\"${CHECKPOINT_ID}\\""}`],
    ["that is a JSON string", `"${CHECKPOINT_ID}"`],
    ["that is a quoted JSON string", `"\\"${CHECKPOINT_ID}\\""\n`],
    ["that is plain text", `${CHECKPOINT_ID}\n`],
  ])("%s", async (_, text) => {
    server.next.push(respondWith(201, text));
    expect(await checkpoint()).toEqual({ checkpointId: CHECKPOINT_ID });
  });

  test("reads an image from plain text", async () => {
    server.next.push(respondWith(200, "docker.io/a/b@sha256:00\n", { "content-type": "text/plain" }));
    const rootfs = { ...CONTAINER, address: ADDRESS, imageRef: "a" };
    expect(await client().checkpointRootfs(rootfs)).toBe("docker.io/a/b@sha256:00");
  });
});

/** [name, behaviour, outcome, status, message]. None is retried: the manager may have carried the request out. */
const NOT_RETRIED: [string, Behaviour, string, number | undefined, string | RegExp][] = [
  [
    "a JSON error",
    respondWith(500, '{"message":"criu failed: type NOTIFY errno 0"}'),
    "failed",
    500,
    "criu failed: type NOTIFY errno 0",
  ],
  [
    "a JSON error with another field",
    respondWith(500, '{"error":"no daemon","code":7}'),
    "failed",
    500,
    "no daemon",
  ],
  [
    "a plain text error",
    respondWith(500, "rpc error: code = Internal\n"),
    "failed",
    500,
    "rpc error: code = Internal",
  ],
  ["an error that is a JSON string", respondWith(400, '"bad root"'), "refused", 400, "bad root"],
  ["an error without a body", respondWith(501, ""), "failed", 501, "HTTP 501"],
  ["an error with a number for a message", respondWith(500, '{"message":7}'), "failed", 500, '{"message":7}'],
  ["a missing path", respondWith(404, '{"message":"Not Found"}'), "refused", 404, "Not Found"],
  ["too many requests", respondWith(429, "slow down"), "refused", 429, "slow down"],
  [
    "a redirect",
    respondWith(307, "", { location: "http://elsewhere.example/" }),
    "refused",
    307,
    /redirected to http:\/\/elsewhere\.example\/, which is not followed/,
  ],
  ["a proxy's 502", respondWith(502, "<html>Bad Gateway</html>"), "unknown", 502, "<html>Bad Gateway</html>"],
  ["a proxy's 503", respondWith(503, "upstream connect error"), "unknown", 503, "upstream connect error"],
  ["a proxy's 504", respondWith(504, ""), "unknown", 504, "HTTP 504"],
  [
    "a success without an id",
    respondWith(200, "{}"),
    "unknown",
    200,
    "the response has no checkpoint_id: {}",
  ],
  [
    "a success with a page of HTML",
    respondWith(200, "<html>Welcome</html>"),
    "unknown",
    200,
    /no checkpoint_id/,
  ],
  [
    "a success without a body",
    respondWith(204, ""),
    "unknown",
    204,
    "the response has no checkpoint_id: (empty)",
  ],
  ["an id that is a number", respondWith(200, '{"checkpoint_id":7}'), "unknown", 200, /no checkpoint_id/],
  ["a closed connection", cut, "unknown", undefined, /socket hang up/],
  ["an incomplete response", cutShort, "unknown", undefined, /the response is incomplete/],
  ["an endless response", endless, "unknown", undefined, /larger than 4194304 bytes/],
  [
    "a secret in its message",
    respondWith(500, "key AKIAABCDEFGHIJKLMNOP\u0000refused"),
    "failed",
    500,
    "key [secret] refused",
  ],
];

const exactly = (text: string) => new RegExp(`^${text.replaceAll(/[^\w ]/g, "\\$&")}$`);

test.each(NOT_RETRIED)(
  "does not retry a checkpoint after %s",
  async (_, behaviour, outcome, status, message) => {
    server.next.push(behaviour);
    const error = await errorOf(checkpoint());
    expect(error).toMatchObject({ operation: "checkpoint", outcome, retryable: false });
    expect(error.status).toBe(status);
    expect(error.message).toMatch(message instanceof RegExp ? message : exactly(message));
    expect(server.requests).toHaveLength(1);
  },
);

test("cuts a message at 1,024 characters", async () => {
  server.next.push(respondWith(500, "x".repeat(10_000)));
  expect((await errorOf(checkpoint())).message).toMatch(/^x{1023}…$/);
});

test.each([
  ["no response", silent],
  ["an incomplete response", stalled],
])("a request fails after its timeout: %s", async (_, behaviour) => {
  jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask", "performance"] });
  server.next.push((...given) => {
    void behaviour(...given);
    jest.advanceTimersByTime(2000);
  });
  const error = await errorOf(checkpoint());
  jest.useRealTimers();
  expect(error).toMatchObject({ outcome: "unknown", retryable: false, message: "no response within 2 s" });
  expect(server.requests).toHaveLength(1);
});

describe("retries", () => {
  test("a checkpoint that was not sent: no server", async () => {
    const other = await ManagerServer.start();
    const { url } = other;
    await other.stop();
    const error = await errorOf(checkpoint(client({ url })));
    expect(error).toMatchObject({ outcome: "refused", retryable: true });
    expect(error.message).toMatch(/ECONNREFUSED/);
  });

  test("a checkpoint that was not sent: no such host name", async () => {
    // Needs no resolver: a label has 63 characters at most.
    const error = await errorOf(checkpoint(client({ url: `http://${"a".repeat(64)}.invalid` })));
    expect(error).toMatchObject({ outcome: "refused", retryable: true });
    expect(error.message).toMatch(/getaddrinfo/);
  });
});

describe("cancellation", () => {
  test("before the request is sent: throws the reason", async () => {
    const reason = new Error("over");
    await expect(
      client().checkpoint({ ...CONTAINER, leaveRunning: true }, AbortSignal.abort(reason)),
    ).rejects.toBe(reason);
    expect(server.requests).toEqual([]);
  });

  test("while the manager works: the outcome is unknown", async () => {
    const controller = new AbortController();
    server.next.push(() => controller.abort(new Error("over")));
    const error = await errorOf(client().checkpoint({ ...CONTAINER, leaveRunning: true }, controller.signal));
    expect(error).toMatchObject({ outcome: "unknown", message: "the request was canceled" });
  });
});
