import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { readArchive } from "../../../../agent/archive";
import { ArchiveInspector } from "../../../../agent/archive/inspector";
import { BASE_DIGEST, entries, STATS, tarOf, writeArchive } from "../../../support/checkpoint-archive";
import { assertAsyncProperty } from "../../../support/property";

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "archive-"));
  file = join(directory, "checkpoint.tar");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("reads the metadata of a containerd archive", async () => {
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

test("reads the metadata of a CRI-O archive", async () => {
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

test("ignores CRIU images that it cannot parse", async () => {
  const invalid = [
    Buffer.alloc(0),
    Buffer.from("x".repeat(40)),
    STATS.subarray(0, 14),
    Buffer.alloc(20, 0xff),
  ];
  for (const content of invalid) {
    await writeArchive(file, [
      ...entries().filter(({ name }) => name !== "stats-dump" && !name.includes("core-")),
      { name: "stats-dump", content },
      { name: "checkpoint/core-9.img", content },
    ]);
    expect(await readArchive(file)).toMatchObject({ architecture: undefined, frozenMs: undefined });
  }
});

test("the chunk size does not change the content; a truncated archive never passes", async () => {
  const bytes = await tarOf(entries());
  const inspect = async (size: number, end = bytes.length) => {
    const inspector = new ArchiveInspector("x");
    for (let at = 0; at < end; at += size)
      await inspector.write(bytes.subarray(at, Math.min(at + size, end)));
    return inspector.end();
  };
  const whole = await inspect(bytes.length);
  // A tar ends with two blocks of zeros.
  const needed = bytes.length - 1024;
  await assertAsyncProperty(
    fc.asyncProperty(fc.integer({ min: 200, max: 9000 }), fc.nat({ max: needed - 1 }), async (size, end) => {
      expect(await inspect(size)).toEqual(whole);
      // A prefix that ends between two entries is a valid tar, but lacks the last entry.
      const part = await inspect(size, end).catch(() => undefined);
      expect(part?.files.has("status.dump")).not.toBe(true);
    }),
    8,
  );
});
