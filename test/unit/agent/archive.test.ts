import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import * as fc from "fast-check";
import {
  ArchiveError,
  notRestored,
  pushArchive,
  readArchive,
  restorePod,
  type PushOptions,
} from "../../../agent/archive";
import { ArchiveInspector } from "../../../agent/archive/inspector";
import { RegistryClient, digestOf } from "../../../clients/registry";
import {
  BASE_DIGEST,
  CORE_ARM64,
  entries,
  SPEC,
  STATS,
  tarOf,
  writeArchive,
  type Entry,
} from "../../support/checkpoint-archive";
import { FakeRegistry, type FakeRegistryOptions } from "../../support/registry";
import { assertAsyncProperty } from "../../support/property";

let folder: string;
let file: string;
let registry: FakeRegistry;
let client: RegistryClient;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "archive-"));
  file = join(folder, "checkpoint.tar");
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
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

test("an archive says what it is", async () => {
  await writeArchive(file);
  expect(await readArchive(file)).toEqual({
    engine: "containerd",
    containerName: "count",
    pod: { name: "web-0", namespace: "shop", uid: "0058d071" },
    baseImage: {
      name: "registry.example.com/count:1",
      reference: `registry.example.com/count@${BASE_DIGEST}`,
      digest: BASE_DIGEST,
    },
    runtime: "io.containerd.runc.v2",
    checkpointedAt: new Date("2026-11-21T15:16:08.788Z"),
    architecture: "amd64",
    criuVersion: "4.2.1",
    frozenMs: 238.09,
    hostname: "web-0",
    mounts: [
      { path: "/scratch", kind: "empty-dir", volume: "scratch", readOnly: false },
      { path: "/etc/app", kind: "configmap", volume: "app", readOnly: true },
    ],
    tcpConnections: 0,
    sizes: { checkpoint: 70_038, memory: 70_000, rootfsDiff: 323, devShm: 0 },
  });
});

test("an archive of CRI-O is read too", async () => {
  const annotations = {
    "io.kubernetes.cri-o.Metadata": '{"name":"count"}',
    "io.kubernetes.container.name": "count",
    "io.kubernetes.pod.name": "web-0",
    "io.kubernetes.pod.namespace": "shop",
    "io.kubernetes.pod.uid": "0058d071",
  };
  const rootfsImageRef = "ab".repeat(32);
  const dotted = entries({ spec: { annotations, hostname: "web" }, config: { rootfsImageRef } })
    .filter(({ name }) => !["status.dump"].includes(name))
    .map((entry) => ({ ...entry, name: `./${entry.name}` }));
  const shm = { name: "./devshm-checkpoint.tar", content: Buffer.alloc(10) };
  await writeArchive(file, [{ name: "./", type: "directory" }, ...dotted, shm]);
  expect(await readArchive(file)).toMatchObject({
    engine: "cri-o",
    containerName: "count",
    pod: { name: "web-0", namespace: "shop", uid: "0058d071" },
    baseImage: { name: "registry.example.com/count:1", reference: rootfsImageRef },
    hostname: "web",
    sizes: { devShm: 10 },
  });
});

test("the image is the archive as its one layer, and what runtimes look for", async () => {
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

test("the same archive makes the same image, wherever and whenever; without a tag it is stored by digest", async () => {
  await writeArchive(file);
  const { digest } = await push();
  const again = await push({ reference: { registry: registry.host, repository: "elsewhere" } });
  expect(again.digest).toBe(digest);
  expect(registry.manifests.has(`elsewhere/${digest}`)).toBe(true);
});

describe("architecture", () => {
  test("is that of the processes, with OCI's variant", async () => {
    await writeArchive(file, replaced("checkpoint/core-1.img", { content: CORE_ARM64 }));
    await push({ architecture: "arm64" });
    const [config] = [...registry.blobs.values()].filter((blob) => blob.length < 1000);
    expect(JSON.parse(config!.toString())).toMatchObject({ architecture: "arm64", variant: "v8" });
  });

  test.each([
    [entries(), "arm64", "is of a process on amd64, not on arm64"],
    [entries(), "x86_64", "x86_64 is no architecture; allowed: amd64"],
    [entries().filter(({ name }) => !name.includes("core-")), undefined, "does not tell its architecture"],
  ])("is not guessed (%#)", async (all, architecture, why) => {
    await writeArchive(file, all);
    await expect(push({ architecture })).rejects.toThrow(why);
    expect(registry.seen).toEqual([]);
  });

  test("can be said where the archive does not tell", async () => {
    await writeArchive(
      file,
      entries().filter(({ name }) => !name.includes("core-")),
    );
    expect((await push({ architecture: "riscv64" })).architecture).toBe("riscv64");
  });
});

describe("nothing is stored of what is no checkpoint", () => {
  const evil: readonly (readonly [string, Entry, string])[] = [
    [
      "a symbolic link",
      { name: "container.log", type: "symlink", linkname: "/etc/shadow" },
      "that is a symlink",
    ],
    ["a hard link", { name: "x", type: "link", linkname: "config.dump" }, "that is a link"],
    ["a device", { name: "checkpoint/null", type: "character-device" }, "that is a character-device"],
    ["a way out", { name: "checkpoint/../../x" }, "leads out of the archive"],
    ["an absolute name", { name: "/etc/passwd" }, "leads out of the archive"],
    ["a whiteout", { name: "checkpoint/.wh.core-1.img" }, "that is a whiteout"],
    ["a name twice", { name: "./config.dump", content: "{}" }, "has the entry config.dump twice"],
    ["an odd name", { name: "checkpoint/a\nb" }, "with an odd name"],
    ["a huge description", { name: "later/../spec.dump" }, "leads out of the archive"],
  ];
  test.each(evil)("%s", async (_, entry, why) => {
    await writeArchive(file, [...entries(), entry]);
    await expect(push()).rejects.toThrow(why);
    expect(registry.seen).toEqual([]);
  });

  const lacking: readonly (readonly [string, readonly Entry[], string])[] = [
    ["config.dump", without("config.dump"), "has no config.dump"],
    ["spec.dump", without("spec.dump"), "has no spec.dump"],
    ["its end", without("status.dump"), "has no status.dump"],
    ["memory", without("checkpoint/pages-1.img"), "holds no memory of a process"],
    ["JSON", replaced("spec.dump", { content: "API_KEY=do-not-show-me" }), "its spec.dump is not JSON"],
    ["a container", entries({ spec: { annotations: {} } }), "names no container"],
    ["a time", entries({ config: { checkpointedTime: "soon" } }), "checkpointedTime is missing or not as"],
    ["everything", entries({ config: { rootfsImageRef: 1 } }), "rootfsImageRef is missing or not as"],
    ["bounds", replaced("spec.dump", { content: Buffer.alloc(5 << 20) }), "has a spec.dump of 5242880 bytes"],
  ];
  test.each(lacking)("without %s", async (_, all, why) => {
    await writeArchive(file, all);
    const refused = push();
    await expect(refused).rejects.toThrow(ArchiveError);
    await expect(refused).rejects.toThrow(why);
    await expect(refused).rejects.not.toThrow("do-not-show-me");
    expect(registry.blobs.size).toBe(0);
  });

  test.each([
    ["compressed", (bytes: Buffer) => gzipSync(bytes)],
    ["text", () => Buffer.from("not a tar\n".repeat(200))],
    ["cut off", (bytes: Buffer) => bytes.subarray(0, 60_000)],
  ])("%s", async (_, change) => {
    writeFileSync(file, change(await writeArchive(file)));
    await expect(push()).rejects.toThrow("is not a whole, uncompressed tar");
    expect(registry.blobs.size).toBe(0);
  });

  test("an empty file, a folder, nothing", async () => {
    writeFileSync(file, "");
    await expect(readArchive(file)).rejects.toThrow("is empty");
    await expect(readArchive(folder)).rejects.toThrow("is no file");
    await expect(readArchive(join(folder, "gone"))).rejects.toThrow("ENOENT");
  });

  test("a file that is cut while it is sent", async () => {
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

test("an upload that breaks off is sent again, from its beginning", async () => {
  const bytes = await writeArchive(file);
  const cut = { cutAfter: 30_000 };
  await push({}, { fault: ({ method }, nth) => (method === "PUT" && nth < 3 ? cut : undefined) });
  expect(registry.blobs.get(`checkpoints/web@${digestOf(bytes)}`)?.equals(bytes)).toBe(true);
});

test("however it is cut into pieces, an archive is seen the same; a part of it never passes", async () => {
  const bytes = await tarOf(entries());
  const seen = async (size: number, end = bytes.length) => {
    const inspector = new ArchiveInspector("x");
    for (let at = 0; at < end; at += size)
      await inspector.write(bytes.subarray(at, Math.min(at + size, end)));
    return inspector.end();
  };
  const whole = await seen(bytes.length);
  // Two blocks of zeros end a tar.
  const needed = bytes.length - 1024;
  await assertAsyncProperty(
    fc.asyncProperty(fc.integer({ min: 200, max: 9000 }), fc.nat({ max: needed - 1 }), async (size, end) => {
      expect(await seen(size)).toEqual(whole);
      // What ends between two entries is a tar by its form; it lacks what is last then.
      const part = await seen(size, end).catch(() => undefined);
      expect(part?.files.has("status.dump")).not.toBe(true);
    }),
    8,
  );
});

test("what a restore does not bring back is told", async () => {
  const mounts = [
    ...SPEC.mounts,
    { destination: "/etc/one", source: "/var/lib/kubelet/pods/1/volume-subpaths/app/count/0" },
  ];
  const tcp = { name: "checkpoint/tcp-stream-1f.img" };
  await writeArchive(file, [...entries({ spec: { mounts }, config: { rootfsImageRef: "sha256:12" } }), tcp]);
  expect(notRestored(await readArchive(file)).map(({ code, message }) => `${code}: ${message}`)).toEqual([
    "empty-dir: emptyDir scratch at /scratch: the new pod's is empty; a process with a file open in it cannot be restored",
    "volume: /etc/app: mount the volume app (configmap) there again, with the same files",
    "volume: /etc/one: mount what was there again, with the same files",
    "tcp-connections: 1 open TCP connection: the new pod has another address",
    "dev-shm: /dev/shm: files in it are not in the archive",
    "hostname: host name: the process goes on with web-0",
    "base-image: base image registry.example.com/count:1: known by sha256:12 only, which cannot be pulled; the node must have it",
    "restart: a container that is started again by its restartPolicy begins from the checkpoint again",
  ]);
});

test("a pod that goes on from there", async () => {
  await writeArchive(file);
  expect(restorePod("host/app@sha256:1", await readArchive(file))).toEqual({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web-0-restored", namespace: "shop" },
    spec: {
      nodeSelector: { "kubernetes.io/arch": "amd64" },
      restartPolicy: "Never",
      containers: [
        {
          name: "count",
          image: "host/app@sha256:1",
          volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
        },
      ],
      volumes: [{ name: "scratch", emptyDir: {} }],
    },
  });
});

test("images of CRIU that cannot be read tell nothing", async () => {
  const odd = [Buffer.alloc(0), Buffer.from("x".repeat(40)), STATS.subarray(0, 14), Buffer.alloc(20, 0xff)];
  for (const content of odd) {
    await writeArchive(file, [
      ...without("stats-dump").filter(({ name }) => !name.includes("core-")),
      { name: "stats-dump", content },
      { name: "checkpoint/core-9.img", content },
    ]);
    expect(await readArchive(file)).toMatchObject({ architecture: undefined, frozenMs: undefined });
  }
});
