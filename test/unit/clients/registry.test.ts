import { randomBytes } from "node:crypto";
import {
  RegistryClient,
  RegistryError,
  digestOf,
  type Blob,
  type RegistryOptions,
} from "../../../clients/registry";
import { FakeRegistry, type FakeRegistryOptions } from "../../support/registry";

const PASSWORD = "hunter2-is-not-a-password";
const content = randomBytes(300_000);
const digest = digestOf(content);
const blob: Blob = { open: () => pieces(content), size: content.length, digest };

let registry: FakeRegistry;
let client: RegistryClient;

async function start(options: FakeRegistryOptions = {}, more: Partial<RegistryOptions> = {}) {
  registry = await new FakeRegistry({ username: "ada", password: PASSWORD, ...options }).start();
  client = new RegistryClient({ registry: registry.host, baseDelayMs: 1, ...more });
}

afterEach(async () => {
  client.close();
  await registry.stop();
});

function* pieces(bytes: Buffer, size = 64_000) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function failure(work: Promise<unknown>): Promise<RegistryError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(RegistryError);
  return error as RegistryError;
}

test.each([{ relativeLocation: true }, { relativeLocation: false }])(
  "a blob is sent once, and not again, with %p",
  async (options) => {
    await start(options);
    expect(await client.pushBlob("team/app", blob)).toBe(true);
    expect(registry.blobs.get(`team/app@${digest}`)?.equals(content)).toBe(true);
    expect(await client.pushBlob("team/app", blob)).toBe(false);
    const place = "/v2/team/app/blobs/uploads/";
    expect(registry.asked.filter((line) => line.startsWith("P"))).toEqual([
      `POST ${place}`,
      `PUT ${place}ID`,
    ]);
    expect(await client.hasBlob("team/app", digest)).toBe(true);
    expect(await client.hasBlob("other", digest)).toBe(false);
  },
);

test("an empty blob is stored", async () => {
  await start();
  const empty = digestOf(Buffer.alloc(0));
  expect(await client.pushBlob("app", { open: () => [], size: 0, digest: empty })).toBe(true);
  expect(registry.blobs.get(`app@${empty}`)).toHaveLength(0);
});

test.each([
  ["mounts", true, 1],
  ["does not mount", false, 0],
])("a registry that %s answers so, and no upload stays", async (_, mounts, found) => {
  await start({ mounts });
  registry.blobs.set(`base@${digest}`, content);
  expect(await client.mountBlob("app", digest, "base")).toBe(mounts);
  expect([...registry.blobs.keys()].filter((key) => key.startsWith("app@"))).toHaveLength(found);
  expect(registry.cancelled).toHaveLength(mounts ? 0 : 1);
});

test("a manifest is stored and read by tag and by digest", async () => {
  await start();
  const manifest = { mediaType: "application/vnd.oci.image.manifest.v1+json", content: Buffer.from("{}") };
  const stored = await client.putManifest("app", "1", manifest);
  expect(stored).toBe(digestOf(manifest.content));
  expect(await client.getManifest("app", stored)).toEqual({ ...manifest, digest: stored });
  expect(await client.getManifest("app", "1")).toEqual({ ...manifest, digest: stored });
  expect(await client.getManifest("app", "2")).toBeUndefined();
});

test("a manifest with other content than was asked for by digest is refused", async () => {
  await start();
  registry.manifests.set(`app/${digest}`, { mediaType: "x", content: Buffer.from("other") });
  expect((await failure(client.getManifest("app", digest))).message).toContain("was asked for");
});

describe("authorization", () => {
  test.each(["basic", "bearer"] as const)("%s: told what it wants, the registry gets it", async (auth) => {
    await start({ auth }, { credentials: { username: "ada", password: PASSWORD } });
    await client.pushBlob("app", blob);
    await client.pushBlob("app", blob);
    expect(registry.blobs.has(`app@${digest}`)).toBe(true);
    // One token serves a repository.
    expect(registry.asked.filter((line) => line.includes("/token"))).toHaveLength(auth === "bearer" ? 1 : 0);
  });

  test("the realm is asked for the service and for every scope", async () => {
    await start({ auth: "bearer", mounts: true }, { credentials: { username: "ada", password: PASSWORD } });
    registry.blobs.set(`base@${digest}`, content);
    await client.mountBlob("app", digest, "base");
    const query = new URLSearchParams(
      registry.seen.find(({ path }) => path.startsWith("/token"))?.path.split("?")[1],
    );
    expect([...query]).toEqual([
      ["extra", "1"],
      ["service", "the registry"],
      ["scope", "repository:app:pull,push"],
      ["scope", "repository:base:pull"],
    ]);
  });

  test("an identity token is exchanged, a registry token is sent as it is", async () => {
    await start({ auth: "bearer" }, { credentials: { identityToken: PASSWORD } });
    await client.pushBlob("app", blob);
    expect(registry.asked).toContain("POST /token");
    registry.tokens.add("given");
    const other = new RegistryClient({ registry: registry.host, credentials: { registryToken: "given" } });
    expect(await other.hasBlob("app", digest)).toBe(true);
    other.close();
  });

  test("a token that ends in the middle of an upload is renewed", async () => {
    await start(
      {
        auth: "bearer",
        fault: ({ method }, nth) => {
          if (method === "PUT" && nth === 1) registry.tokens.clear();
          return undefined;
        },
      },
      { credentials: { username: "ada", password: PASSWORD } },
    );
    expect(await client.pushBlob("app", blob)).toBe(true);
    expect(registry.asked.filter((line) => line.startsWith("POST"))).toHaveLength(1);
  });

  test("a token that has run out is renewed before it is used", async () => {
    await start({ auth: "bearer" }, { credentials: { username: "ada", password: PASSWORD } });
    registry.expiresIn = 20;
    await client.hasBlob("app", digest);
    jest.spyOn(Date, "now").mockReturnValue(Date.now() + 11_000);
    await client.hasBlob("app", digest);
    jest.restoreAllMocks();
    expect(registry.asked.filter((line) => line.includes("/token"))).toHaveLength(2);
    expect(registry.seen.filter(({ authorization }) => authorization === undefined)).toHaveLength(1);
  });

  const wrong = { username: "ada", password: "wrong-password" };
  test.each([
    // Without anything new to try, the first refusal is the last.
    { auth: "basic", credentials: undefined, tries: 1 },
    { auth: "basic", credentials: wrong, tries: 2 },
    { auth: "bearer", credentials: undefined, tries: 1 },
    { auth: "bearer", credentials: wrong, tries: 1 },
    { auth: "bearer", credentials: { registryToken: "wrong-password" }, tries: 2 },
  ] as const)("$auth: bad credentials are refused, in words, without them (%#)", async (given) => {
    await start({ auth: given.auth }, { credentials: given.credentials });
    const error = await failure(client.pushBlob("app", blob));
    expect(error.message).toMatch(/^look-up of a blob at 127\.0\.0\.1:\d+\/app: 401 /);
    expect(JSON.stringify([error.message, error.stack, error.cause])).not.toContain("wrong-password");
    expect(registry.asked.filter((line) => line.startsWith("HEAD"))).toHaveLength(given.tries);
  });

  test.each([
    "http://tokens.example.com/token",
    "ftp://127.0.0.1/",
    "nowhere",
    "https://a:b@tokens.example.com/",
  ])("a realm at %s is not asked", async (realm) => {
    const headers = { "www-authenticate": `Bearer realm="${realm}",service="x"` };
    await start(
      { fault: () => ({ status: 401, headers }) },
      { credentials: { username: "ada", password: PASSWORD } },
    );
    const error = await failure(client.hasBlob("app", digest));
    expect(error.status).toBe(401);
    expect(error.message).not.toContain(PASSWORD);
    expect(registry.seen).toHaveLength(1);
  });

  test("credentials do not follow a redirect to another host", async () => {
    const store = await new FakeRegistry({ fault: () => ({ status: 200 }) }).start();
    await start(
      {
        auth: "basic",
        fault: ({ method, authorization }) =>
          method === "HEAD" && authorization
            ? { status: 307, headers: { location: `http://${store.host}/signed` } }
            : undefined,
      },
      { credentials: { username: "ada", password: PASSWORD } },
    );
    expect(await client.hasBlob("app", digest)).toBe(true);
    expect(store.seen).toEqual([{ method: "HEAD", path: "/signed", authorization: undefined }]);
    await store.stop();
  });
});

describe("what passes is tried again", () => {
  test.each([
    ["busy", { status: 429, headers: { "retry-after": "0" } }],
    ["broken", { status: 503, body: "<html>gateway</html>" }],
    ["cut off at once", { cutAfter: 0 }],
    ["cut off in the middle", { cutAfter: 100_000 }],
    ["gone astray", { status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}' }],
  ])("PUT %s: the blob is sent anew, the half is cancelled", async (_, fault) => {
    await start({ fault: ({ method }, nth) => (method === "PUT" && nth <= 2 ? fault : undefined) });
    expect(await client.pushBlob("app", blob)).toBe(true);
    expect(registry.blobs.get(`app@${digest}`)?.equals(content)).toBe(true);
    expect(registry.cancelled).toHaveLength(2);
  });

  test.each(["POST", "PUT", "HEAD"])("%s", async (method) => {
    await start({
      fault: (seen, nth) => (seen.method === method && nth === 1 ? { status: 500 } : undefined),
    });
    expect(await client.pushBlob("app", blob)).toBe(true);
  });

  test("not for ever: the last error is told", async () => {
    await start({ fault: () => ({ status: 503 }) }, { attempts: 3 });
    const error = await failure(client.pushBlob("app", blob));
    expect(error.message).toBe(`look-up of a blob at ${registry.host}/app: 503`);
    expect(registry.seen).toHaveLength(3);
  });

  test("not after a wait that is too long", async () => {
    await start({ fault: () => ({ status: 429, headers: { "retry-after": "3600" } }) });
    expect((await failure(client.hasBlob("app", digest))).retryAfterMs).toBe(3_600_000);
    expect(registry.seen).toHaveLength(1);
  });

  test("not what is refused", async () => {
    const body = JSON.stringify({ errors: [{ code: "DENIED", message: `no\n\u0007 AKIAABCDEFGHIJKLMNOP` }] });
    await start({ fault: () => ({ status: 403, body }) });
    const error = await failure(client.pushBlob("app", blob));
    expect(error.message).toBe(
      `upload of a blob at ${registry.host}/app: 403 DENIED no [secret] (the account may not push there)`,
    );
    expect(registry.asked.filter((line) => line.startsWith("P"))).toHaveLength(1);
  });
});

describe("time", () => {
  test("a silent registry is given up", async () => {
    await start({ fault: () => "silent" }, { idleTimeoutMs: 40, attempts: 2 });
    expect((await failure(client.hasBlob("app", digest))).message).toContain("silent for 0.04 s");
    expect(registry.seen).toHaveLength(2);
  });

  test("a registry may take its time to make a blob of an upload", async () => {
    await start({ commitMs: 400 }, { idleTimeoutMs: 200, timeoutMs: 200 });
    expect(await client.pushBlob("app", blob)).toBe(true);
    expect(registry.asked.filter((line) => line.startsWith("PUT"))).toHaveLength(1);
  });

  test("a request that takes too long is given up", async () => {
    await start({ fault: () => "silent" }, { timeoutMs: 40, attempts: 1 });
    expect((await failure(client.hasBlob("app", digest))).message).toContain("not done within 0.04 s");
  });

  test("whoever asked can end it, with their own reason", async () => {
    const abort = new AbortController();
    const reason = new Error("shutting down");
    await start({
      fault: ({ method }) => {
        if (method !== "PUT") return undefined;
        abort.abort(reason);
        return "silent";
      },
    });
    await expect(client.pushBlob("app", blob, abort.signal)).rejects.toBe(reason);
    expect(registry.cancelled).toHaveLength(1);
  });

  test("nobody answers", async () => {
    await start();
    await registry.stop();
    const lonely = new RegistryClient({ registry: "127.0.0.1:1", attempts: 1 });
    expect((await failure(lonely.hasBlob("app", digest))).message).toContain("ECONNREFUSED");
    await registry.start();
  });
});

describe("content", () => {
  test("its own errors are thrown as they are, nothing is stored", async () => {
    await start();
    const own = new Error("disk gone");
    const open = function* () {
      yield content.subarray(0, 10);
      throw own;
    };
    await expect(client.pushBlob("app", { open, size: 100, digest })).rejects.toBe(own);
    expect(registry.blobs.size).toBe(0);
    expect(registry.cancelled).toHaveLength(1);
  });

  test.each([content.length - 1, content.length + 1])(
    "of another length than said is refused (%i)",
    async (size) => {
      await start();
      await expect(client.pushBlob("app", { ...blob, size })).rejects.toThrow("it changed meanwhile");
      expect(registry.blobs.size).toBe(0);
    },
  );

  test("of another digest than said is refused", async () => {
    await start();
    const other = digestOf(Buffer.from("other"));
    expect((await failure(client.pushBlob("app", { ...blob, digest: other }))).code).toBe("DIGEST_INVALID");
  });
});

test.each([
  "http://registry.example.com/upload",
  "http://169.254.169.254/",
  "https://a:b@registry.example.com/",
])("an upload is not sent on to %s", async (location) => {
  await start({
    fault: ({ method }) => (method === "POST" ? { status: 202, headers: { location } } : undefined),
  });
  const error = await failure(client.pushBlob("app", blob));
  expect(error.message).toContain("plain HTTP is for localhost alone");
  expect(registry.asked.filter((line) => line.startsWith("P"))).toHaveLength(1);
});
