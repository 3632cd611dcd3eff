import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ArchiveError, pushArchive, readArchive, type PushOptions } from "../../../../agent/archive";
import { RegistryClient, digestOf } from "../../../../clients/registry";
import {
  BASE_DIGEST,
  CORE_ARM64,
  entries,
  writeArchive,
  type Entry,
} from "../../../support/checkpoint-archive";
import { FakeRegistry, type FakeRegistryOptions } from "../../../support/registry";

let directory: string;
let file: string;
let registry: FakeRegistry;
let client: RegistryClient;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "archive-"));
  file = join(directory, "checkpoint.tar");
});
afterEach(async () => {
  rmSync(directory, { recursive: true, force: true });
  client?.close();
  await registry?.stop();
});

async function push(options: Partial<PushOptions> = {}, faults: FakeRegistryOptions = {}) {
  registry ??= await new FakeRegistry(faults).start();
  client = new RegistryClient({ registry: registry.host, baseDelayMs: 1 });
  const reference = { registry: registry.host, repository: "checkpoints/web", tag: "1" };
  return pushArchive({ file, reference, client, ...options });
}
afterEach(() => {
  registry = undefined as unknown as FakeRegistry;
});

const replaced = (name: string, entry: Partial<Entry>) =>
  entries().map((each) => (each.name === name ? { ...each, ...entry } : each));
const without = (name: string) => entries().filter((each) => each.name !== name);

test("pushes the archive as the only layer, with the annotations that runtimes require", async () => {
  const bytes = await writeArchive(file);
  const pushed = await push();
  const { mediaType, content } = registry.manifests.get("checkpoints/web/1")!;
  expect(mediaType).toBe("application/vnd.oci.image.manifest.v1+json");
  const manifest = JSON.parse(content.toString());
  expect(pushed).toMatchObject({
    image: `${registry.host}/checkpoints/web@${digestOf(content)}`,
    digest: digestOf(content),
    size: bytes.length,
    architecture: "amd64",
  });
  const layer = {
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    digest: digestOf(bytes),
    size: bytes.length,
  };
  expect(manifest.layers).toEqual([layer]);
  expect(registry.blobs.get(`checkpoints/web@${layer.digest}`)?.equals(bytes)).toBe(true);
  expect(manifest.annotations).toEqual({
    "org.criu.checkpoint.container.name": "count",
    "io.kubernetes.cri-o.annotations.checkpoint.name": "count",
    "org.criu.checkpoint.criu.version": "4.2.1",
    "org.criu.checkpoint.engine.name": "containerd",
    "org.criu.checkpoint.host.arch": "amd64",
    "org.criu.checkpoint.pod.name": "web-0",
    "org.criu.checkpoint.pod.namespace": "shop",
    "org.criu.checkpoint.pod.uid": "0058d071",
    "org.criu.checkpoint.rootfsImageID": `registry.example.com/count@${BASE_DIGEST}`,
    "org.criu.checkpoint.rootfsImageName": "registry.example.com/count:1",
    "org.criu.checkpoint.runtime.name": "io.containerd.runc.v2",
    "org.opencontainers.image.base.digest": BASE_DIGEST,
    "org.opencontainers.image.base.name": "registry.example.com/count:1",
    "org.opencontainers.image.created": "2026-11-21T15:16:08.788Z",
  });
  const config = registry.blobs.get(`checkpoints/web@${manifest.config.digest}`)!;
  expect(JSON.parse(config.toString())).toEqual({
    created: "2026-11-21T15:16:08.788Z",
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [layer.digest] },
    history: [{ created: "2026-11-21T15:16:08.788Z", created_by: "kubelet checkpoint" }],
  });
});

test("the same archive results in the same digest; an image without a tag is stored by digest", async () => {
  await writeArchive(file);
  const { digest } = await push();
  const again = await push({ reference: { registry: registry.host, repository: "elsewhere" } });
  expect(again.digest).toBe(digest);
  expect(registry.manifests.has(`elsewhere/${digest}`)).toBe(true);
});

describe("architecture", () => {
  test("is that of the processes, with the OCI variant", async () => {
    await writeArchive(file, replaced("checkpoint/core-1.img", { content: CORE_ARM64 }));
    await push({ architecture: "arm64" });
    const [config] = [...registry.blobs.values()].filter((blob) => blob.length < 1000);
    expect(JSON.parse(config!.toString())).toMatchObject({ architecture: "arm64", variant: "v8" });
  });

  test.each([
    [entries(), "arm64", "contains a process of amd64, not arm64"],
    [entries(), "x86_64", "architecture: x86_64 is unknown; allowed: amd64"],
    [entries().filter(({ name }) => !name.includes("core-")), undefined, "does not contain the architecture"],
  ])("is rejected if unknown or contradictory (%#)", async (all, architecture, why) => {
    await writeArchive(file, all);
    await expect(push({ architecture })).rejects.toThrow(why);
    expect(registry.seen).toEqual([]);
  });

  test("can be specified for an archive that does not contain it", async () => {
    await writeArchive(
      file,
      entries().filter(({ name }) => !name.includes("core-")),
    );
    expect((await push({ architecture: "riscv64" })).architecture).toBe("riscv64");
  });
});

describe("rejects an invalid archive and stores nothing", () => {
  const unsafe: readonly (readonly [string, Entry, string])[] = [
    [
      "a symbolic link",
      { name: "container.log", type: "symlink", linkname: "/etc/shadow" },
      "of type symlink, not a file or directory",
    ],
    ["a hard link", { name: "x", type: "link", linkname: "config.dump" }, "of type link"],
    ["a device", { name: "checkpoint/null", type: "character-device" }, "of type character-device"],
    ["a parent path", { name: "checkpoint/../../x" }, "leaves the archive"],
    ["an absolute name", { name: "/etc/passwd" }, "leaves the archive"],
    ["a whiteout", { name: "checkpoint/.wh.core-1.img" }, "that is a whiteout"],
    ["a duplicate name", { name: "./config.dump", content: "{}" }, "has a duplicate entry config.dump"],
    ["a control character", { name: "checkpoint/a\nb" }, "with an invalid name"],
    ["a parent path inside", { name: "later/../spec.dump" }, "leaves the archive"],
  ];
  test.each(unsafe)("with %s", async (_, entry, why) => {
    await writeArchive(file, [...entries(), entry]);
    await expect(push()).rejects.toThrow(why);
    expect(registry.seen).toEqual([]);
  });

  const incomplete: readonly (readonly [string, readonly Entry[], string])[] = [
    ["config.dump", without("config.dump"), "has no config.dump"],
    ["spec.dump", without("spec.dump"), "has no spec.dump"],
    ["the last entry", without("status.dump"), "has no status.dump"],
    ["memory", without("checkpoint/pages-1.img"), "contains no process memory"],
    ["JSON", replaced("spec.dump", { content: "API_KEY=do-not-show-me" }), "spec.dump is not JSON"],
    ["a container", entries({ spec: { annotations: {} } }), "names no container"],
    [
      "a time",
      entries({ config: { checkpointedTime: "soon" } }),
      "config.dump has missing or invalid fields: checkpointedTime",
    ],
    [
      "an image reference",
      entries({ config: { rootfsImageRef: 1 } }),
      "missing or invalid fields: rootfsImageRef",
    ],
    [
      "a size limit",
      replaced("spec.dump", { content: Buffer.alloc(5 << 20) }),
      "has a spec.dump of 5242880 bytes",
    ],
  ];
  test.each(incomplete)("without %s", async (_, all, why) => {
    await writeArchive(file, all);
    const rejected = push();
    await expect(rejected).rejects.toThrow(ArchiveError);
    await expect(rejected).rejects.toThrow(why);
    await expect(rejected).rejects.not.toThrow("do-not-show-me");
    expect(registry.blobs.size).toBe(0);
  });

  test.each([
    ["compressed", (bytes: Buffer) => gzipSync(bytes)],
    ["a text", () => Buffer.from("not a tar\n".repeat(200))],
    ["truncated", (bytes: Buffer) => bytes.subarray(0, 60_000)],
  ])("that is %s", async (_, change) => {
    writeFileSync(file, change(await writeArchive(file)));
    await expect(push()).rejects.toThrow("is not a complete, uncompressed tar");
    expect(registry.blobs.size).toBe(0);
  });

  test("that is an empty file, a directory or missing", async () => {
    writeFileSync(file, "");
    await expect(readArchive(file)).rejects.toThrow("is empty");
    await expect(readArchive(directory)).rejects.toThrow("is not a file");
    await expect(readArchive(join(directory, "gone"))).rejects.toThrow("ENOENT");
  });

  test("that is truncated during the upload", async () => {
    await writeArchive(file, [...entries(), { name: "late", content: Buffer.alloc(3 << 20) }]);
    registry = await new FakeRegistry({
      fault: ({ method }) => {
        if (method === "POST") truncateSync(file, 1 << 20);
        return undefined;
      },
    }).start();
    await expect(push()).rejects.toThrow("the content changed during the upload");
    expect(registry.blobs.size).toBe(0);
  });
});

test("restarts an interrupted upload from the beginning", async () => {
  const bytes = await writeArchive(file);
  const cut = { cutAfter: 30_000 };
  await push({}, { fault: ({ method }, nth) => (method === "PUT" && nth < 3 ? cut : undefined) });
  expect(registry.blobs.get(`checkpoints/web@${digestOf(bytes)}`)?.equals(bytes)).toBe(true);
});
