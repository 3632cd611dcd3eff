import {
  ArtifactError,
  deleteCheckpoint,
  loadMemory,
  pullCheckpoint,
  pushCheckpoint,
  type PushedCheckpoint,
} from "../../../../agent/artifact";
import { NodeServiceClient, NodeServiceError } from "../../../../clients/node-service";
import { digestOf, RegistryClient } from "../../../../clients/registry";
import { checkpointMetadata, FakeNodeService } from "../../../support/node-service";
import { FakeRegistry, type FakeRegistryOptions } from "../../../support/registry";

const metadata = checkpointMetadata();
const parts = Object.fromEntries(
  [
    "containers/app/images",
    "containers/app/rootfs",
    "containers/log/images",
    "containers/log/rootfs",
    "volumes/data",
    "shm",
  ].map((name, at) => [name, Buffer.alloc(120_000 + 90_000 * at, `content of ${name}`)]),
);

let service: FakeNodeService;
let registry: FakeRegistry;
let node: NodeServiceClient;
let client: RegistryClient;

async function start(options?: FakeRegistryOptions) {
  registry = await new FakeRegistry(options).start();
  client = new RegistryClient({ registry: registry.host, baseDelayMs: 1 });
}

beforeEach(async () => {
  service = await new FakeNodeService().start();
  service.add(metadata, parts);
  node = new NodeServiceClient(service.socket);
});
afterEach(async () => {
  client.close();
  await registry.stop();
  await service.stop();
});

const push = (tag?: string): Promise<PushedCheckpoint> => {
  const reference = { registry: registry.host, repository: "checkpoints", ...(tag ? { tag } : {}) };
  return pushCheckpoint({ uid: "cp", reference, client, node });
};
const pull = (image: string, more = {}) => pullCheckpoint({ image, client, node, podUID: "pod-2", ...more });

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Record<string, string>;
}
interface Manifest {
  readonly artifactType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

const manifestAt = (reference: string) =>
  JSON.parse(registry.manifests.get(`checkpoints/${reference}`)!.content.toString()) as Manifest;

/** Stores another manifest and returns its reference by digest. */
function store(manifest: object | string, mediaType = "application/vnd.oci.image.manifest.v1+json"): string {
  const content = Buffer.from(typeof manifest === "string" ? manifest : JSON.stringify(manifest));
  registry.manifests.set(`checkpoints/${digestOf(content)}`, { mediaType, content });
  return `${registry.host}/checkpoints@${digestOf(content)}`;
}

async function failure(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => Promise.reject(new Error("it succeeded")),
    (thrown: unknown) => thrown as Error,
  );
}

describe("push", () => {
  test("with immutable tags, a push that is killed after any request is completed by the next one", async () => {
    const digests = new Set<string>();
    let killed = 0;
    for (let dieAt = 1; dieAt <= 40; dieAt++) {
      let count = 0;
      await start({ immutableTags: true, losesResponse: () => ++count === dieAt });
      const once = new RegistryClient({ registry: registry.host, attempts: 1 });
      const reference = { registry: registry.host, repository: "checkpoints", tag: "one" };
      const first = pushCheckpoint({ uid: "cp", reference, client: once, node });
      await first.catch(() => killed++);
      once.close();
      digests.add((await push("one")).digest);
      // Another process may not know that the push was complete.
      digests.add((await push("one")).digest);
      client.close();
      await registry.stop();
      // All requests were tried.
      if (count < dieAt) break;
    }
    expect(killed).toBeGreaterThanOrEqual(20);
    expect(digests.size).toBe(1);
  });

  test("stores the metadata as config and each part as a layer", async () => {
    await start();
    const pushed = await push("one");
    const manifest = manifestAt("one");
    expect(pushed.image).toBe(`${registry.host}/checkpoints@${pushed.digest}`);
    expect(manifestAt(pushed.digest)).toEqual(manifest);
    expect(manifest).toMatchObject({
      artifactType: "application/vnd.cedana.checkpoint.v1",
      config: { mediaType: "application/vnd.cedana.checkpoint.v1+json" },
      annotations: { "org.criu.checkpoint.pod.name": "web", "ai.cedana.checkpoint.uid": "cp" },
    });
    const blobOf = ({ digest }: Descriptor) => registry.blobs.get(`checkpoints@${digest}`);
    expect(JSON.parse(blobOf(manifest.config)!.toString())).toEqual(metadata);
    expect(
      manifest.layers.map((layer) => [
        layer.annotations?.["ai.cedana.checkpoint.part"],
        layer.mediaType.replace("application/vnd.cedana.checkpoint.", ""),
        layer.annotations?.["ai.cedana.checkpoint.uncompressed-size"],
      ]),
    ).toEqual([
      ["containers/app/images", "memory.v1.tar+zstd", "240000"],
      ["containers/app/rootfs", "rootfs.v1.tar+zstd", "420000"],
      ["containers/log/images", "memory.v1.tar+zstd", "600000"],
      ["containers/log/rootfs", "rootfs.v1.tar+zstd", "780000"],
      ["volumes/data", "volume.v1.tar+zstd", "960000"],
      ["shm", "shm.v1.tar+zstd", "1140000"],
    ]);
    for (const layer of manifest.layers)
      expect(blobOf(layer)?.equals(parts[layer.annotations!["ai.cedana.checkpoint.part"]!]!)).toBe(true);
    const stored = [...registry.blobs.values()].reduce((sum, { length }) => sum + length, 0);
    expect(pushed.sizeBytes).toBe(stored + registry.manifests.get("checkpoints/one")!.content.length);
    expect(service.mostStreams).toBeLessThanOrEqual(2);
  });

  test("has the same digest again, and stores it by digest without a tag", async () => {
    await start();
    const first = await push();
    expect(await push()).toEqual(first);
    expect([...registry.manifests.keys()]).toEqual([`checkpoints/${first.digest}`]);
  });

  test("does not send a part that the registry has", async () => {
    await start();
    const { digest } = await push();
    const sent = () => registry.requestLines.filter((line) => /^PUT .*blobs/.test(line)).length;
    const layers = manifestAt(digest).layers;
    // The registry lost one of them since.
    registry.blobs.delete(`checkpoints@${layers[0]!.digest}`);
    const before = sent();
    expect((await push()).digest).toBe(digest);
    expect(sent() - before).toBe(1);
    expect(registry.blobs.has(`checkpoints@${layers[0]!.digest}`)).toBe(true);
  });

  test("sends a part again when its upload fails, without a second export", async () => {
    await start({
      fault: ({ method, path }, nth) =>
        method === "PUT" && path.includes("/blobs/") && nth === 1 ? { cutAfter: 50_000 } : undefined,
    });
    const { digest } = await push();
    expect(manifestAt(digest).layers).toHaveLength(6);
    expect(service.seen.filter(({ method }) => method === "export")).toHaveLength(7);
  });

  test("stores a large part as several layers, which a pull joins", async () => {
    const large = Buffer.alloc(2_000_001, "memory of a process");
    service.segmentBytes = 1_000_000;
    service.add(metadata, { ...parts, "containers/app/images": large });
    await start();
    const { image, digest } = await push();
    const layers = manifestAt(digest).layers.filter(
      ({ annotations }) => annotations!["ai.cedana.checkpoint.part"] === "containers/app/images",
    );
    expect(
      layers.map(({ size, annotations }) => [size, annotations!["ai.cedana.checkpoint.segment"]]),
    ).toEqual([
      [1_000_000, "1/3"],
      [1_000_000, "2/3"],
      [1, "3/3"],
    ]);
    expect(layers.map(({ annotations }) => annotations!["org.opencontainers.image.title"]).at(-1)).toBe(
      "containers/app/images.tar.zst.00003",
    );
    await pull(image);
    expect(service.staged.get("pod-2")!.get("containers/app/images")!.equals(large)).toBe(true);
  });

  test("stores no manifest when the export of a part fails", async () => {
    await start();
    service.fault = ({ params }) =>
      params["part"] === "volumes/data" ? { failAfter: 100_000, reason: "ExportFailed" } : undefined;
    const error = await failure(push());
    expect(error).toBeInstanceOf(NodeServiceError);
    expect(error).toMatchObject({ reason: "ExportFailed" });
    expect(registry.manifests.size).toBe(0);
  });

  test("ends with its signal, and closes all streams", async () => {
    await start();
    const stop = new AbortController();
    const stopped = new Error("stopped");
    service.fault = ({ params }) => {
      if (params["part"] === "shm") stop.abort(stopped);
      return undefined;
    };
    const reference = { registry: registry.host, repository: "checkpoints" };
    await expect(pushCheckpoint({ uid: "cp", reference, client, node, signal: stop.signal })).rejects.toBe(
      stopped,
    );
    while (service.openConnections > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(registry.manifests.size).toBe(0);
  });

  test.each([
    ["no JSON", "not JSON"],
    ["[]", "not JSON"],
    ['{"version":2}', "of version 2"],
    [
      JSON.stringify({ ...metadata, containers: [{ name: "../x", files: [], mounts: [] }] }),
      "invalid containers",
    ],
    [JSON.stringify({ ...metadata, containers: [{ name: "x", files: [] }] }), "invalid containers"],
    [JSON.stringify({ ...metadata, volumes: [{ name: "a/b" }] }), "invalid volumes"],
    [JSON.stringify({ ...metadata, preDump: null }), "invalid preDump"],
    [JSON.stringify({ ...metadata, preDump: { passes: "1" } }), "invalid preDump"],
    [JSON.stringify({ ...metadata, sharedMemory: null }), "invalid sharedMemory"],
    [JSON.stringify({ ...metadata, node: {} }), "invalid node"],
  ])("rejects the metadata %.40s", async (text, message) => {
    await start();
    const bytes = Buffer.from(text);
    service.checkpoints.get("cp")!.set("metadata", { bytes, uncompressedSize: bytes.length });
    const error = await failure(push());
    expect(error).toBeInstanceOf(ArtifactError);
    expect(error.message).toContain(message);
  });
});

describe("pull", () => {
  test.each(["InvalidRequest", "ContentInvalid"])(
    "sends all memory if the service rejects pieces with %s",
    async (reason) => {
      await start();
      const { image } = await push();
      service.pieces = { stage: [0], load: [] };
      service.fault = ({ params }) => (params["lazy"] === true ? { reason } : undefined);
      await pull(image, { lazy: true });
      expect(service.staged.get("pod-2")!.size).toBe(1 + Object.keys(parts).length);
    },
  );

  test("leaves memory for a later call, if the service does not ask for it", async () => {
    service.segmentBytes = 40_000;
    await start();
    const { image } = await push();
    service.pieces = { stage: [0], load: [2, 1] };
    await pull(image, { lazy: true });
    const memory = ["containers/app/images", "containers/log/images"];
    expect([...service.staged.get("pod-2")!.keys()].toSorted()).toEqual(
      ["metadata", ...Object.keys(parts)].filter((part) => !memory.includes(part)).toSorted(),
    );
    expect(service.received.map(({ method, piece }) => [method, piece])).toEqual([
      ["stage", 0],
      ["stage", 0],
    ]);
    await loadMemory({ image, client, node, podUID: "pod-2" });
    expect(service.received.length).toBe(6);
    const of = (part: string, piece: number) => parts[part]!.subarray(piece * 40_000, (piece + 1) * 40_000);
    for (const { piece, bytes } of service.received)
      expect(memory.some((part) => of(part, piece).equals(bytes))).toBe(true);
  });

  test("stages the metadata first, then all parts", async () => {
    await start();
    const { image } = await push();
    expect(await pull(image, { maxBytes: 1000, reserveBytes: 5 })).toEqual(metadata);
    const staged = service.staged.get("pod-2")!;
    expect([...staged.keys()][0]).toBe("metadata");
    for (const [name, bytes] of Object.entries(parts)) expect(staged.get(name)?.equals(bytes)).toBe(true);
    expect(staged.size).toBe(7);
    const requests = service.seen.filter(({ method }) => method === "stage").map(({ params }) => params);
    expect(requests[0]).toMatchObject({ checkpoint: "cp", maxBytes: 1000, reserveBytes: 5 });
    expect(service.mostStreams).toBe(2);
  });

  test("downloads no part that is staged", async () => {
    await start();
    const { image } = await push();
    await pull(image);
    const blobs = () => registry.requestLines.filter((line) => /^GET .*blobs/.test(line)).length;
    const before = blobs();
    await pull(image);
    expect(blobs() - before).toBe(1);
  });

  test("continues broken downloads", async () => {
    await start({
      fault: ({ method, path }, nth) =>
        method === "GET" && path.includes("/blobs/") && nth === 1 ? { sendOnly: 60_000 } : undefined,
    });
    const { image } = await push();
    await pull(image);
    expect(service.staged.get("pod-2")?.size).toBe(7);
  });

  test("stops when the service fails", async () => {
    await start();
    const { image } = await push();
    service.fault = ({ params }) => (params["part"] === "shm" ? { cutAfter: 1 } : undefined);
    expect(await failure(pull(image))).toMatchObject({ reason: "InsufficientSpace", retryable: true });
  });

  test("rejects content with another digest", async () => {
    await start();
    const { image, digest } = await push();
    const { digest: layer, size } = manifestAt(digest).layers[2]!;
    registry.blobs.set(`checkpoints@${layer}`, Buffer.alloc(size));
    expect((await failure(pull(image))).message).toMatch(/instead of sha256|the content differs/);
    expect(service.staged.get("pod-2")?.has("containers/log/images")).toBe(false);
  });

  test.each<[string, (manifest: Manifest) => object | string, string]>([
    ["no JSON", () => "no JSON", "not JSON"],
    ["an image", (manifest) => ({ ...manifest, artifactType: undefined }), "not a checkpoint"],
    ["no layers", (manifest) => ({ ...manifest, layers: undefined }), "no layers"],
    ["a missing layer", (manifest) => ({ ...manifest, layers: manifest.layers.slice(1) }), "other layers"],
    [
      "a layer twice",
      (manifest) => ({ ...manifest, layers: [...manifest.layers.slice(1), manifest.layers[1]] }),
      "other layers",
    ],
    [
      "layers of a part in another order",
      ({ layers, ...manifest }) => ({
        ...manifest,
        layers: layers.map((layer) => ({
          ...layer,
          annotations: { ...layer.annotations, "ai.cedana.checkpoint.segment": "2/2" },
        })),
      }),
      "other layers",
    ],
    [
      "a layer of another type",
      ({ layers, ...manifest }) => ({ ...manifest, layers: [{ ...layers[0], mediaType: "x" }] }),
      "memory.v1",
    ],
    [
      "a layer without a part",
      ({ layers, ...manifest }) => ({ ...manifest, layers: [{ ...layers[0], annotations: {} }] }),
      "without a part",
    ],
    [
      "a negative size",
      ({ layers, ...manifest }) => ({ ...manifest, layers: [{ ...layers[0], size: -1 }] }),
      "the size -1",
    ],
    [
      "a large config",
      (manifest) => ({ ...manifest, config: { ...manifest.config, size: 5 << 20 } }),
      "the size 5242880",
    ],
    [
      "a digest that is none",
      (manifest) => ({ ...manifest, config: { ...manifest.config, digest: "sha256:../../x" } }),
      "checkpoint.v1+json",
    ],
  ])("rejects a manifest with %s and stages no part", async (_, change, message) => {
    await start();
    const { digest } = await push();
    const error = await failure(pull(store(change(manifestAt(digest)))));
    expect(error).toBeInstanceOf(ArtifactError);
    expect(error.message).toContain(message);
    expect(service.staged.size).toBe(0);
  });

  test("rejects other media types, missing manifests, and references without a digest", async () => {
    await start();
    const { digest } = await push("tagged");
    const index = store(manifestAt(digest), "application/vnd.oci.image.index.v1+json");
    expect((await failure(pull(index))).message).toContain("not a checkpoint");
    const missing = `${registry.host}/checkpoints@${digestOf(Buffer.from("x"))}`;
    expect((await failure(pull(missing))).message).toContain("not in the registry");
    expect((await failure(pull(`${registry.host}/checkpoints:tagged`))).message).toContain("no digest");
  });
});

test("deletes a checkpoint by its digest", async () => {
  await start();
  const { image } = await push();
  expect(await deleteCheckpoint({ image, client })).toBe(true);
  expect(await deleteCheckpoint({ image, client })).toBe(false);
  expect((await failure(pull(image))).message).toContain("not in the registry");
});
