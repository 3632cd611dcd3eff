/**
 * The client of the node's service against the real service on a temporary socket, and a real registry: what a push stores is
 * what a pull stages. Needs Go, and crane of the test bed.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  deleteCheckpoint,
  pullCheckpoint,
  pushCheckpoint,
  type PushedCheckpoint,
} from "../../agent/artifact";
import {
  NodeServiceClient,
  NodeServiceError,
  type LayRequest,
  type StageRequest,
} from "../../clients/node-service";
import { RegistryClient } from "../../clients/registry";
import { Random, SEED } from "../../testbed/random";
import { needs, run } from "../../testbed/node/run";
import {
  buildService,
  checkpointJson,
  CRANE,
  crc32c,
  startRegistry,
  startService,
} from "../../testbed/node/serve";

const dir = mkdtempSync(join(tmpdir(), "node-service-"));
const serve = join(dir, "serve");
const node = new NodeServiceClient(join(dir, "run/node.sock"));
const random = new Random(SEED);

/** Memory of 24 MiB, of which a part is zeros and a part cannot be compressed. */
const memory = Buffer.alloc(24 << 20);
for (let at = 8 << 20; at < memory.length; at += 4)
  memory.writeUInt32LE(Math.floor(random.next() * 2 ** 32), at);
/** Files of the checkpoint by path. */
const files: Readonly<Record<string, Buffer>> = {
  "containers/app/images/inventory.img": Buffer.from("inventory"),
  "containers/app/images/pages-1.img": memory,
  "containers/app/rootfs.tar": Buffer.alloc(10_240, "rootfs"),
  "containers/log/images/inventory.img": Buffer.alloc(0),
  "volumes/data.tar": Buffer.alloc(1 << 20, "volume"),
  "shm.tar": Buffer.alloc(1024),
};

let service: ChildProcess;
let registry: ChildProcess;
let host: string;
let client: RegistryClient;

beforeAll(async () => {
  needs("go");
  buildService(serve);
  writeCheckpoint("cp");
  ({ host, process: registry } = await startRegistry());
  client = new RegistryClient({ registry: host });
  service = await startService(serve, dir);
});
afterAll(async () => {
  client?.close();
  for (const each of [service, registry]) await kill(each);
  rmSync(dir, { recursive: true, force: true });
});

async function kill(child: ChildProcess | undefined) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

function writeCheckpoint(uid: string) {
  const stored = (path: string) => ({ size: files[path]!.length, crc32c: crc32c([files[path]!]) });
  const metadata = checkpointJson({
    uid,
    pod: { uid: "pod-1", namespace: "shop", name: "web" },
    containers: ["app", "log"].map((name) => ({
      name,
      files: Object.keys(files)
        .filter((path) => path.startsWith(`containers/${name}/`))
        .map((path) => ({ path: path.slice(`containers/${name}/`.length), ...stored(path) })),
    })),
    volumes: [{ name: "data", ...stored("volumes/data.tar") }],
    sharedMemory: stored("shm.tar"),
  });
  const all = { ...files, "checkpoint.json": metadata };
  for (const [path, bytes] of Object.entries(all)) {
    const full = join(dir, "checkpoints", uid, path);
    mkdirSync(dirname(full), { recursive: true, mode: 0o700 });
    writeFileSync(full, bytes, { mode: 0o600 });
  }
}

const push = (tag?: string): Promise<PushedCheckpoint> => {
  const reference = { registry: host, repository: "checkpoints", ...(tag ? { tag } : {}) };
  return pushCheckpoint({ uid: "cp", reference, client, node });
};
const plan = (podUID: string): LayRequest => ({
  podUID,
  checkpoint: "cp",
  deadline: new Date("2100-01-01T00:00:00Z"),
  fallback: "fresh",
  restart: "again",
  lazy: false,
});
const filesOf = (podUID: string, path: string) => readFileSync(join(dir, "restore", podUID, "cp", path));

test("what is pushed is what is restored, and other clients can read it", async () => {
  const { image, sizeBytes, digest, metadata } = await push("one");
  expect(metadata.containers.map(({ name }) => name)).toEqual(["app", "log"]);
  const manifest = JSON.parse(run(CRANE, ["manifest", `${host}/checkpoints:one`])) as {
    layers: { digest: string; size: number; annotations: Record<string, string> }[];
    config: { digest: string; size: number };
  };
  expect(run(CRANE, ["digest", `${host}/checkpoints:one`]).trim()).toBe(digest);
  const sizes = [manifest.config, ...manifest.layers].reduce((sum, { size }) => sum + size, 0);
  expect(sizeBytes).toBe(sizes + run(CRANE, ["manifest", image]).length);
  // zstd and tar read what the service wrote.
  const layers = manifest.layers.filter(
    ({ annotations }) => annotations["ai.cedana.checkpoint.part"] === "containers/app/images",
  );
  expect(layers.length).toBeGreaterThan(1);
  const listed = run("sh", [
    "-c",
    `set -e; crane=$1 plain=$2; shift 2; for each; do "$crane" blob "$each"; done | zstd -d | tee "$plain" | tar -tv --full-time`,
    "sh",
    CRANE,
    join(dir, "plain"),
    ...layers.map((layer) => `${host}/checkpoints@${layer.digest}`),
  ]);
  expect(listed).toMatch(
    /-rw------- .* 9 1970-01-01 .* inventory.img\n-rw------- .* 25165824 1970-.* pages-1.img/,
  );
  expect(statSync(join(dir, "plain")).size).toBe(
    Number(layers[0]!.annotations["ai.cedana.checkpoint.uncompressed-size"]),
  );

  expect(await pullCheckpoint({ image, client, node, podUID: "pod-2", maxBytes: 30e6 })).toEqual(metadata);
  expect(await node.state()).toMatchObject({
    plans: [],
    stagings: [{ podUID: "pod-2", checkpoint: "cp" }],
    checkpoints: [{ uid: "cp", podUID: "pod-1" }],
  });
  for (let nth = 0; nth < 2; nth++) await node.lay(plan("pod-2"));
  for (const [path, bytes] of Object.entries(files))
    expect([path, filesOf("pod-2", path).equals(bytes)]).toEqual([path, true]);
  expect(await node.outcome("pod-2")).toEqual({
    checkpoint: "cp",
    decision: "",
    containers: ["app", "log"].map((name) => ({ name, phase: "Pending", attempts: 0 })),
  });
  await node.forgetPlan("pod-2");
  expect(readdirSync(join(dir, "restore"))).toEqual([]);
});

test("a second push sends no layer, and has the same digest", async () => {
  const first = await push();
  const spy = jest.spyOn(client, "pushBlob");
  try {
    expect(await push()).toEqual(first);
    const sent = await Promise.all(spy.mock.results.map(({ value }) => value as Promise<boolean>));
    expect(new Set(sent)).toEqual(new Set([false]));
  } finally {
    spy.mockRestore();
  }
});

test("a pull continues after the service was killed in the middle of a part", async () => {
  const { image } = await push();
  class Killing extends NodeServiceClient {
    override stage(request: StageRequest, open: () => AsyncIterable<Uint8Array>, signal?: AbortSignal) {
      const isMemory = request.part === "containers/app/images";
      return super.stage(request, isMemory ? () => killingAfter(open()) : open, signal);
    }
  }
  async function* killingAfter(content: AsyncIterable<Uint8Array>) {
    let bytes = 0;
    for await (const chunk of content) {
      yield chunk;
      if ((bytes += chunk.length) > 1 << 20) await kill(service);
    }
  }
  const broken = new Killing(join(dir, "run/node.sock"));
  const error: unknown = await pullCheckpoint({ image, client, node: broken, podUID: "pod-3" }).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(NodeServiceError);
  expect(error).toMatchObject({ reason: "Unavailable", retryable: true });
  service = await startService(serve, dir);
  await pullCheckpoint({ image, client, node, podUID: "pod-3" });
  await node.lay(plan("pod-3"));
  for (const [path, bytes] of Object.entries(files))
    expect([path, filesOf("pod-3", path).equals(bytes)]).toEqual([path, true]);
  expect(readdirSync(join(dir, "restore"))).toEqual(["pod-3"]);
  await node.forgetPlan("pod-3");
});

test("a file that changed on the node is not pushed", async () => {
  const path = join(dir, "checkpoints/cp/shm.tar");
  writeFileSync(path, "short");
  try {
    await expect(push("changed")).rejects.toMatchObject({ reason: "ExportFailed" });
    expect(await client.getManifest("checkpoints", "changed")).toBeUndefined();
  } finally {
    writeFileSync(path, files["shm.tar"]!);
  }
});

test("the service's limits stop a pull before a layer is read", async () => {
  const { image } = await push();
  const spy = jest.spyOn(client, "pullBlob");
  const pull = pullCheckpoint({ image, client, node, podUID: "pod-4", maxBytes: 1000 });
  await expect(pull).rejects.toMatchObject({ reason: "InsufficientSpace" });
  // The config alone was read.
  expect(spy).toHaveBeenCalledTimes(1);
  spy.mockRestore();
  await expect(node.lay(plan("pod-4"))).rejects.toMatchObject({ reason: "CheckpointNotStaged" });
});

test("a checkpoint deleted in the registry cannot be pulled, and one deleted on the node cannot be pushed", async () => {
  const { image } = await push();
  expect(await deleteCheckpoint({ image, client })).toBe(true);
  await expect(pullCheckpoint({ image, client, node, podUID: "pod-5" })).rejects.toThrow(
    "not in the registry",
  );
  await node.forget("cp");
  await expect(push()).rejects.toMatchObject({ reason: "CheckpointNotFound" });
});
