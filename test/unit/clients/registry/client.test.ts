import {
  RegistryClient,
  RegistryError,
  digestOf,
  type Blob,
  type RegistryOptions,
} from "../../../../clients/registry";
import { FakeRegistry, type FakeRegistryOptions } from "../../../support/registry";

const content = Buffer.alloc(300_000, "content of a blob");
const digest = digestOf(content);
const blob: Blob = { open: () => pieces(content), size: content.length, digest };

let registry: FakeRegistry;
let client: RegistryClient;

async function start(options: FakeRegistryOptions = {}, more: Partial<RegistryOptions> = {}) {
  registry = await new FakeRegistry(options).start();
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
  "sends a blob once, with %p",
  async (options) => {
    await start(options);
    expect(await client.pushBlob("team/app", blob)).toBe(true);
    expect(registry.blobs.get(`team/app@${digest}`)?.equals(content)).toBe(true);
    expect(await client.pushBlob("team/app", blob)).toBe(false);
    const place = "/v2/team/app/blobs/uploads/";
    expect(registry.requestLines.filter((line) => line.startsWith("P"))).toEqual([
      `POST ${place}`,
      `PUT ${place}ID`,
    ]);
    expect(await client.hasBlob("team/app", digest)).toBe(true);
    expect(await client.hasBlob("other", digest)).toBe(false);
  },
);

test("stores an empty blob", async () => {
  await start();
  const empty = digestOf(Buffer.alloc(0));
  expect(await client.pushBlob("app", { open: () => [], size: 0, digest: empty })).toBe(true);
  expect(registry.blobs.get(`app@${empty}`)).toHaveLength(0);
});

test.each([
  ["mounts", true, 1],
  ["does not mount", false, 0],
])("returns whether the registry %s, and leaves no upload behind", async (_, mounts, found) => {
  await start({ mounts });
  registry.blobs.set(`base@${digest}`, content);
  expect(await client.mountBlob("app", digest, "base")).toBe(mounts);
  expect([...registry.blobs.keys()].filter((key) => key.startsWith("app@"))).toHaveLength(found);
  expect(registry.cancelled).toHaveLength(mounts ? 0 : 1);
});

test("stores a manifest, and reads it by tag and by digest", async () => {
  await start();
  const manifest = { mediaType: "application/vnd.oci.image.manifest.v1+json", content: Buffer.from("{}") };
  const stored = await client.putManifest("app", "1", manifest);
  expect(stored).toBe(digestOf(manifest.content));
  expect(await client.getManifest("app", stored)).toEqual({ ...manifest, digest: stored });
  expect(await client.getManifest("app", "1")).toEqual({ ...manifest, digest: stored });
  expect(await client.getManifest("app", "2")).toBeUndefined();
});

test.each([
  [404, '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', undefined],
  [404, "", undefined],
  [404, "default backend - 404", 404],
  [503, "", 503],
])(
  "%i with the body %j: the manifest is missing only if the registry says so",
  async (status, body, error) => {
    await start({ fault: () => ({ status, body }) }, { attempts: 1 });
    const found = await client.getManifest("app", digest).then(
      (manifest) => manifest,
      ({ status: thrown }: RegistryError) => thrown,
    );
    expect(found).toBe(error);
  },
);

test("rejects a manifest whose content does not match its digest", async () => {
  await start();
  registry.manifests.set(`app/${digest}`, { mediaType: "x", content: Buffer.from("other") });
  expect((await failure(client.getManifest("app", digest))).message).toContain(`instead of ${digest}`);
});

describe("immutable tags", () => {
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = { mediaType, content: Buffer.from('{"a":1}') };
  const other = { mediaType, content: Buffer.from('{"a":2}') };

  test("a manifest whose response was lost is stored", async () => {
    let lost = 0;
    await start({ immutableTags: true, losesResponse: ({ method }) => method === "PUT" && lost++ === 0 });
    expect(await client.putManifest("app", "1", manifest)).toBe(digestOf(manifest.content));
    expect(registry.requestLines).toEqual([
      "PUT /v2/app/manifests/1",
      "PUT /v2/app/manifests/1",
      "GET /v2/app/manifests/1",
    ]);
  });

  test("the same manifest again is a success", async () => {
    await start({ immutableTags: true });
    for (let time = 0; time < 3; time++)
      expect(await client.putManifest("app", "1", manifest)).toBe(digestOf(manifest.content));
  });

  test("another manifest is stored under its digest, and the tag stays", async () => {
    await start({ immutableTags: true });
    await client.putManifest("app", "1", manifest);
    const stored = await client.putManifest("app", "1", other);
    expect(stored).toBe(digestOf(other.content));
    expect((await client.getManifest("app", stored))?.content).toEqual(other.content);
    expect((await client.getManifest("app", "1"))?.content).toEqual(manifest.content);
  });

  test.each([
    ["the tag does not exist", {}],
    ["the tag cannot be read", { status: 403 }],
  ])("a manifest that the registry rejects is an error: %s", async (_, read) => {
    const body = '{"errors":[{"code":"MANIFEST_INVALID","message":"no OCI manifests"}]}';
    await start({
      fault: ({ method }) =>
        method === "PUT" ? { status: 400, body } : "status" in read ? { status: read.status } : undefined,
    });
    const error = await failure(client.putManifest("app", "1", manifest));
    expect(error).toMatchObject({ status: 400, code: "MANIFEST_INVALID", reason: "no OCI manifests" });
  });
});

test.each([200, 201, 202, 204])(
  "status %i of a stored blob or manifest is a success",
  async (storedStatus) => {
    await start({ storedStatus });
    expect(await client.pushBlob("app", blob)).toBe(true);
    const manifest = { mediaType: "x", content: Buffer.from("{}") };
    expect(await client.putManifest("app", "1", manifest)).toBe(digestOf(manifest.content));
    expect(registry.requestLines.filter((line) => line.startsWith("P"))).toHaveLength(3);
  },
);

describe("redirects", () => {
  let store: FakeRegistry;
  afterEach(() => store.stop());
  const away = (path: string) => ({ status: 307, headers: { location: `http://${store.host}${path}` } });

  test.each([{ relativeLocation: true }, { relativeLocation: false }])(
    "307 sends the requests of an upload elsewhere, with %p",
    async (options) => {
      store = await new FakeRegistry(options).start();
      await start({ fault: ({ path, method }) => (method === "HEAD" ? undefined : away(path)) });
      expect(await client.pushBlob("app", blob)).toBe(true);
      expect(store.blobs.get(`app@${digest}`)?.equals(content)).toBe(true);
      const manifest = { mediaType: "x", content: Buffer.from("{}") };
      await client.putManifest("app", "1", manifest);
      expect(store.manifests.get("app/1")?.content).toEqual(manifest.content);
      expect(registry.blobs.size + registry.manifests.size).toBe(0);
    },
  );

  test.each([301, 302, 303])("%i of an upload is an error: it would become a GET", async (status) => {
    store = await new FakeRegistry().start();
    await start({ fault: ({ method, path }) => (method === "HEAD" ? undefined : { ...away(path), status }) });
    expect((await failure(client.pushBlob("app", blob))).status).toBe(status);
    expect(store.seen).toEqual([]);
  });
});

describe("retries", () => {
  test.each([
    ["busy", { status: 429, headers: { "retry-after": "0" } }],
    ["broken", { status: 503, body: "<html>gateway</html>" }],
    ["cut off at once", { cutAfter: 0 }],
    ["cut off in the middle", { cutAfter: 100_000 }],
    ["with a lost upload", { status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}' }],
  ])("a PUT that is %s: sends the blob again and cancels the upload", async (_, fault) => {
    await start({ fault: ({ method }, nth) => (method === "PUT" && nth <= 2 ? fault : undefined) });
    expect(await client.pushBlob("app", blob)).toBe(true);
    expect(registry.blobs.get(`app@${digest}`)?.equals(content)).toBe(true);
    expect(registry.cancelled).toHaveLength(2);
  });

  test.each(["POST", "PUT", "HEAD"])("%s after 500", async (method) => {
    await start({
      fault: (seen, nth) => (seen.method === method && nth === 1 ? { status: 500 } : undefined),
    });
    expect(await client.pushBlob("app", blob)).toBe(true);
  });

  test("ends after the last attempt with its error", async () => {
    await start({ fault: () => ({ status: 503 }) }, { attempts: 3 });
    const error = await failure(client.pushBlob("app", blob));
    expect(error.message).toBe(`upload of a blob at ${registry.host}/app: 503`);
    expect(registry.requestLines.map((line) => line.split(" ")[0])).toEqual([
      "HEAD",
      "POST",
      "HEAD",
      "POST",
      "HEAD",
      "POST",
    ]);
  });

  test("does not wait longer than a minute", async () => {
    await start({ fault: () => ({ status: 429, headers: { "retry-after": "3600" } }) });
    expect((await failure(client.hasBlob("app", digest))).retryAfterMs).toBe(3_600_000);
    expect(registry.seen).toHaveLength(1);
  });
});

describe("a rejected look-up", () => {
  const body = JSON.stringify({ errors: [{ code: "DENIED", message: `no\n\u0007 AKIAABCDEFGHIJKLMNOP` }] });

  test.each([400, 403, 405, 429, 500, 501])("of %i: the push that follows has the reason", async (status) => {
    await start({ fault: ({ method }) => (method === "HEAD" ? { status } : { status: 403, body }) });
    const error = await failure(client.pushBlob("app", blob));
    expect(error).toMatchObject({ status: 403, code: "DENIED", reason: "no [secret]" });
    expect(error.message).toBe(
      `upload of a blob at ${registry.host}/app: 403 DENIED no [secret] (${error.remedy})`,
    );
    expect(registry.requestLines.map((line) => line.split(" ")[0])).toEqual(["HEAD", "POST"]);
  });

  test("does not stop a push that the registry accepts", async () => {
    await start({ fault: ({ method }) => (method === "HEAD" ? { status: 405 } : undefined) });
    expect(await client.pushBlob("app", blob)).toBe(true);
    await expect(client.hasBlob("app", digest)).rejects.toMatchObject({ status: 405 });
  });

  test("without a response is retried", async () => {
    await start({
      fault: ({ method }, nth) => (method === "HEAD" && nth === 1 ? { cutAfter: 0 } : undefined),
    });
    expect(await client.pushBlob("app", blob)).toBe(true);
    expect(registry.requestLines.filter((line) => line.startsWith("HEAD"))).toHaveLength(2);
  });
});

describe("timeouts", () => {
  test("fail for a registry that sends nothing", async () => {
    await start({ fault: () => "silent" }, { idleTimeoutMs: 40, attempts: 2 });
    expect((await failure(client.hasBlob("app", digest))).message).toContain(
      "nothing sent or received for 0.04 s",
    );
    // On a busy machine the registry may read a request after it has failed.
    while (registry.seen.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(registry.seen).toHaveLength(2);
  });

  test("allow a registry to store an upload in silence", async () => {
    await start({ commitMs: 700 }, { idleTimeoutMs: 500, timeoutMs: 500 });
    expect(await client.pushBlob("app", blob)).toBe(true);
    expect(registry.requestLines.filter((line) => line.startsWith("PUT"))).toHaveLength(1);
  });

  test("fail for a request that takes too long", async () => {
    await start({ fault: () => "silent" }, { timeoutMs: 40, attempts: 1 });
    expect((await failure(client.hasBlob("app", digest))).message).toContain("no response within 0.04 s");
  });

  test("cancellation throws the signal's reason", async () => {
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

  test("without a registry: ECONNREFUSED", async () => {
    await start();
    await registry.stop();
    const other = new RegistryClient({ registry: "127.0.0.1:1", attempts: 1 });
    expect((await failure(other.hasBlob("app", digest))).message).toContain("ECONNREFUSED");
    await registry.start();
  });
});

describe("content", () => {
  test("that fails: throws its error and stores nothing", async () => {
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

  test.each([content.length - 1, content.length + 1])("of another size is rejected (%i)", async (size) => {
    await start();
    await expect(client.pushBlob("app", { ...blob, size })).rejects.toThrow(
      "the content changed during the upload",
    );
    expect(registry.blobs.size).toBe(0);
  });

  test("of another digest is rejected by the registry", async () => {
    await start();
    const other = digestOf(Buffer.from("other"));
    expect((await failure(client.pushBlob("app", { ...blob, digest: other }))).code).toBe("DIGEST_INVALID");
  });
});

test.each([
  "http://registry.example.com/upload",
  "http://169.254.169.254/",
  "https://a:b@registry.example.com/",
])("an upload is not redirected to %s", async (location) => {
  await start({
    fault: ({ method }) => (method === "POST" ? { status: 202, headers: { location } } : undefined),
  });
  const error = await failure(client.pushBlob("app", blob));
  expect(error.message).toContain("plain HTTP is allowed for localhost only");
  expect(registry.requestLines.filter((line) => line.startsWith("P"))).toHaveLength(1);
});
