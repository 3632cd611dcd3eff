import { RegistryClient, RegistryError, digestOf, type RegistryOptions } from "../../../../clients/registry";
import { FakeRegistry, type FakeRegistryOptions, type SeenRequest } from "../../../support/registry";

const content = Buffer.alloc(1_000_000, "content of a part");
const blob = { digest: digestOf(content), size: content.length };

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

async function* pieces(bytes: Buffer, size = 64_000) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const lines = (method: string) => registry.requestLines.filter((line) => line.startsWith(method));

/** Injects a fault into the first requests of a method for blobs. */
const first = (method: string, fault: object, count = 1): FakeRegistryOptions => ({
  fault: ({ method: seen, path }: SeenRequest, nth: number) =>
    seen === method && path.includes("/blobs/") && nth <= count ? (fault as { status: number }) : undefined,
});

describe("push of a stream", () => {
  test.each([{ relativeLocation: true }, { relativeLocation: false }])(
    "returns digest and size, with %p",
    async (options) => {
      await start(options);
      expect(await client.pushStream("team/app", () => pieces(content))).toEqual(blob);
      expect(registry.blobs.get(`team/app@${blob.digest}`)?.equals(content)).toBe(true);
      const place = "/v2/team/app/blobs/uploads/";
      expect(lines("P")).toEqual([`POST ${place}`, `PATCH ${place}ID`, `PUT ${place}ID`]);
    },
  );

  test("stores an empty stream", async () => {
    await start();
    const empty = await client.pushStream("app", () => []);
    expect(empty).toEqual({ digest: digestOf(Buffer.alloc(0)), size: 0 });
    expect(registry.blobs.get(`app@${empty.digest}`)).toHaveLength(0);
  });

  test.each([
    ["POST", { status: 503 }],
    ["PATCH", { status: 500 }],
    ["PATCH", { cutAfter: 100_000 }],
    ["PATCH", { status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}' }],
    ["PUT", { status: 502 }],
  ])("opens the source again after a failure of %s: %j", async (method, fault) => {
    await start(first(method, fault));
    let opened = 0;
    const found = await client.pushStream("app", () => (opened++, pieces(content)));
    expect(found).toEqual(blob);
    expect(registry.blobs.get(`app@${blob.digest}`)?.equals(content)).toBe(true);
    expect(opened).toBe(method === "POST" ? 1 : 2);
    expect(registry.cancelled).toHaveLength(method === "POST" ? 0 : 1);
  });

  test("sends the content again when a token expired", async () => {
    await start(
      { auth: "bearer", username: "u", password: "p" },
      { credentials: { username: "u", password: "p" } },
    );
    let opened = 0;
    const found = await client.pushStream("app", () => {
      if (opened++ === 0) registry.tokens.clear();
      return pieces(content);
    });
    expect(found).toEqual(blob);
    expect(registry.blobs.get(`app@${blob.digest}`)?.equals(content)).toBe(true);
  });

  test("stores nothing of a source that fails, and does not retry", async () => {
    await start();
    const broken = new Error("the source failed");
    let opened = 0;
    async function* failing() {
      opened++;
      yield content.subarray(0, 100_000);
      throw broken;
    }
    await expect(client.pushStream("app", failing)).rejects.toBe(broken);
    expect(opened).toBe(1);
    expect(registry.blobs.size).toBe(0);
    expect(registry.cancelled).toHaveLength(1);
  });

  test("reports a registry that responds before the end of the content", async () => {
    await start(first("PATCH", { status: 202 }, 99), { attempts: 2 });
    const endless = async function* () {
      for (;;) yield content;
    };
    await expect(client.pushStream("app", endless)).rejects.toThrow("before the end of the content");
    expect(registry.blobs.size).toBe(0);
  });

  test("ends with its signal", async () => {
    await start();
    const stop = new AbortController();
    const stopped = new Error("stopped");
    async function* stopping() {
      yield content;
      stop.abort(stopped);
      yield content;
    }
    await expect(client.pushStream("app", stopping, stop.signal)).rejects.toBe(stopped);
    expect(registry.blobs.size).toBe(0);
  });
});

describe("pull of a blob", () => {
  const stored = async (options?: FakeRegistryOptions, more?: Partial<RegistryOptions>) => {
    await start(options, more);
    registry.blobs.set(`app@${blob.digest}`, content);
  };

  test("reads it", async () => {
    await stored();
    expect((await read(client.pullBlob("app", blob))).equals(content)).toBe(true);
    expect(lines("GET")).toHaveLength(1);
  });

  test.each([false, true])(
    "continues a broken download; the registry ignores ranges: %p",
    async (ignoresRanges) => {
      await stored({ ...first("GET", { sendOnly: 300_000 }, ignoresRanges ? 1 : 3), ignoresRanges });
      expect((await read(client.pullBlob("app", blob))).equals(content)).toBe(true);
      expect(lines("GET")).toHaveLength(ignoresRanges ? 2 : 4);
    },
  );

  test("gives up when it makes no progress", async () => {
    await stored(first("GET", { sendOnly: 0 }, 99), { attempts: 3 });
    await expect(read(client.pullBlob("app", blob))).rejects.toBeInstanceOf(RegistryError);
    expect(lines("GET")).toHaveLength(3);
  });

  test("counts attempts without progress only", async () => {
    await stored(first("GET", { sendOnly: 100_000 }, 8), { attempts: 2 });
    expect((await read(client.pullBlob("app", blob))).equals(content)).toBe(true);
    expect(lines("GET").length).toBeGreaterThan(2);
  });

  test.each([
    ["other content", Buffer.alloc(content.length, "x"), "instead of sha256:"],
    ["more content", Buffer.concat([content, content]), `has more than ${content.length} bytes`],
    ["less content", content.subarray(1), `instead of ${content.length}`],
  ])("rejects %s without a retry", async (_, bytes, message) => {
    await stored();
    registry.blobs.set(`app@${blob.digest}`, bytes);
    await expect(read(client.pullBlob("app", blob))).rejects.toThrow(message);
    expect(lines("GET")).toHaveLength(1);
  });

  test("reports a missing blob", async () => {
    await start();
    await expect(read(client.pullBlob("app", blob))).rejects.toMatchObject({ status: 404 });
  });

  test("ends with its signal", async () => {
    await stored({ fault: ({ method }) => (method === "GET" ? "silent" : undefined) });
    const stop = new AbortController();
    const stopped = new Error("stopped");
    const reading = read(client.pullBlob("app", blob, stop.signal));
    setImmediate(() => stop.abort(stopped));
    await expect(reading).rejects.toBe(stopped);
  });
});

describe("deletion of a manifest", () => {
  const manifest = { mediaType: "application/vnd.oci.image.manifest.v1+json", content: Buffer.from("{}") };

  test("says whether there was one", async () => {
    await start();
    const digest = await client.putManifest("app", "1", manifest);
    expect(await client.deleteManifest("app", digest)).toBe(true);
    expect(await client.deleteManifest("app", digest)).toBe(false);
    expect(await client.getManifest("app", digest)).toBeUndefined();
  });

  test("reports a registry that deletes nothing", async () => {
    await start({ keepsManifests: true });
    const digest = await client.putManifest("app", "1", manifest);
    await expect(client.deleteManifest("app", digest)).rejects.toMatchObject({ status: 405 });
  });
});
