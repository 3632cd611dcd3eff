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

async function read(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

const lines = (method: string) => registry.requestLines.filter((line) => line.startsWith(method));

/** Injects a fault into the first requests of a method for blobs. */
const first = (method: string, fault: object, count = 1): FakeRegistryOptions => ({
  fault: ({ method: seen, path }: SeenRequest, nth: number) =>
    seen === method && path.includes("/blobs/") && nth <= count ? (fault as { status: number }) : undefined,
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

  test("passes pieces of 16 MiB on, in the memory that it gets", async () => {
    const large = Buffer.alloc(2 ** 25 + 3, "content of a part");
    await start();
    const digest = digestOf(large);
    registry.blobs.set(`app@${digest}`, large);
    const memory = Buffer.alloc(2 ** 24 + 5);
    const options = { memory, unverified: true };
    let at = 0;
    for await (const piece of client.pullBlob("app", { digest, size: large.length }, options)) {
      expect(piece.buffer).toBe(memory.buffer);
      expect(piece.equals(large.subarray(at, at + 2 ** 24))).toBe(true);
      at += piece.length;
    }
    expect(at).toBe(large.length);
  });

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
    const reading = read(client.pullBlob("app", blob, { signal: stop.signal }));
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
    await expect(client.deleteManifest("app", digest)).rejects.toMatchObject({
      status: 405,
      remedy: "enable deletion in the registry",
    });
  });

  test.each([
    ["a proxy without the registry", "404 page not found"],
    ["a registry that does not serve deletions", ""],
  ])("does not take a 404 of %s for a deletion", async (_, body) => {
    await start({ fault: ({ method }) => (method === "DELETE" ? { status: 404, body } : undefined) });
    const digest = await client.putManifest("app", "1", manifest);
    await expect(client.deleteManifest("app", digest)).rejects.toMatchObject({ status: 404 });
  });
});

describe("list of tags", () => {
  const manifest = { mediaType: "application/vnd.oci.image.manifest.v1+json", content: Buffer.from("{}") };
  const list = async (pageSize?: number) => {
    const pages: (readonly string[])[] = [];
    for await (const page of client.listTags("app", pageSize === undefined ? {} : { pageSize }))
      pages.push(page);
    return pages;
  };

  test("reads all pages", async () => {
    await start();
    for (const tag of ["c", "a", "e", "b", "d"]) await client.putManifest("app", tag, manifest);
    expect(await list(2)).toEqual([["a", "b"], ["c", "d"], ["e"]]);
  });

  test("of a repository that does not exist is empty", async () => {
    await start();
    expect((await list()).flat()).toEqual([]);
  });

  test.each([
    ["another host", '<https://other.example/v2/app/tags/list?last=a>; rel="next"', "not at the registry"],
    ["the page itself", '</v2/app/tags/list?n=100>; rel="next"', "not at the registry"],
  ])("rejects a next page of %s", async (_, link, message) => {
    const fault = { status: 200, headers: { link }, body: JSON.stringify({ tags: ["a"] }) };
    await start({ fault: ({ path }) => (path.includes("/tags/") ? fault : undefined) });
    await expect(list()).rejects.toThrow(message);
  });

  test.each([
    ["a proxy", 404, "<html>not here</html>"],
    ["no list", 200, "{}"],
    ["no JSON", 200, "ok"],
  ])("rejects a response with %s", async (_, status, body) => {
    await start({ fault: ({ path }) => (path.includes("/tags/") ? { status, body } : undefined) });
    await expect(list()).rejects.toMatchObject({ name: "RegistryError", status });
  });
});
