/**
 * Deletion of artifacts in real registries: the real host service pushes checkpoints, the controller deletes that of a deleted
 * Checkpoint, and crane no longer finds it, but the others. Needs Go, and crane of the test bed. CEDANA_NODE_DISTRIBUTION is the
 * program `registry` of distribution, whose garbage collection then runs too.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pullCheckpoint, pushCheckpoint, type PushedCheckpoint } from "../../agent/artifact";
import { NodeServiceClient } from "../../clients/node-service";
import { RegistryClient } from "../../clients/registry";
import { artifactControllers } from "../../controller/artifacts";
import type { PodEngine } from "../../controller/engines";
import type { EventInput } from "../../kube";
import { FakeApi } from "../../testbed/fake-api";
import { needs, ran, run } from "../../testbed/node/run";
import {
  buildService,
  checkpointJson,
  CRANE,
  crc32c,
  startRegistry,
  startService,
} from "../../testbed/node/serve";
import { eventually } from "../../testbed/node/testbed";
import { lead, runtimeOn } from "../support/controller-runtime";

const dir = mkdtempSync(join(tmpdir(), "artifacts-"));
const serve = join(dir, "serve");
const node = new NodeServiceClient(join(dir, "run/node.sock"));
const CHECKPOINTS = "/apis/automation.cedana.ai/v1alpha1/namespaces/shop/checkpoints";
const CLUSTER = "11111111-2222-3333-4444-555555555555";
const DISTRIBUTION = process.env["CEDANA_NODE_DISTRIBUTION"];
const uidOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
/** The second checkpoint has the same memory as the first one: their artifacts share layers. */
const MEMORY = Buffer.alloc(1 << 20, "memory");

let service: ChildProcess;

beforeAll(async () => {
  needs("go");
  buildService(serve);
  for (const n of [1, 2, 3]) writeCheckpoint(uidOf(n), n);
  service = await startService(serve, dir);
});
afterAll(async () => {
  await kill(service);
  rmSync(dir, { recursive: true, force: true });
});

async function kill(child: ChildProcess | undefined) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

function writeCheckpoint(uid: string, n: number) {
  const files = { "inventory.img": Buffer.from(`inventory ${n}`), "pages-1.img": MEMORY };
  const all = Object.entries(files).map(([path, bytes]) => ({
    path,
    size: bytes.length,
    crc32c: crc32c([bytes]),
  }));
  const rootfs = Buffer.alloc(10_240, "rootfs");
  const metadata = checkpointJson({
    uid,
    pod: { uid: `pod-${n}`, namespace: "shop", name: "web" },
    containers: [
      {
        name: "app",
        files: [
          ...all.map((one) => ({ ...one, path: `images/${one.path}` })),
          { path: "rootfs.tar", size: rootfs.length, crc32c: crc32c([rootfs]) },
        ],
      },
    ],
  });
  const written = {
    ...Object.fromEntries(
      Object.entries(files).map(([path, bytes]) => [`containers/app/images/${path}`, bytes]),
    ),
    "containers/app/rootfs.tar": rootfs,
    "checkpoint.json": metadata,
  };
  for (const [path, bytes] of Object.entries(written)) {
    const full = join(dir, "checkpoints", uid, path);
    mkdirSync(dirname(full), { recursive: true, mode: 0o700 });
    writeFileSync(full, bytes, { mode: 0o600 });
  }
}

interface Started {
  readonly host: string;
  readonly process: ChildProcess;
  /** Frees the space of what no manifest names. */
  readonly collectGarbage?: () => void;
}

/** Starts distribution's registry on a free port, with deletion enabled. */
async function startDistribution(program: string): Promise<Started> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const file = join(dir, "distribution.json");
  const storage = { filesystem: { rootdirectory: join(dir, "distribution") }, delete: { enabled: true } };
  writeFileSync(
    file,
    JSON.stringify({ version: 0.1, storage, http: { addr: `localhost:${port}`, secret: "test" } }),
  );
  const child = spawn(program, ["serve", file], { stdio: "ignore" });
  const host = `localhost:${port}`;
  await eventually(async () => {
    const { status } = await fetch(`http://${host}/v2/`);
    expect(status).toBe(200);
  });
  return { host, process: child, collectGarbage: () => void run(program, ["garbage-collect", file]) };
}

/** Deletes a Checkpoint as the controller of a cluster does, and waits until it is removed. @returns its events */
async function deleteCheckpoint(api: FakeApi, host: string, name: string): Promise<readonly EventInput[]> {
  const events: EventInput[] = [];
  const runtime = runtimeOn(api, { events });
  const engine: PodEngine = {
    name: "criu",
    canResume: true,
    handlesCedanas: false,
    timeoutMs: 1000,
    checkpointPod: () => Promise.reject(new Error("nothing is taken")),
    artifacts: {
      repositories: { repository: `${host}/checkpoints` },
      registry: { credentials: "none" },
      waitSeconds: 3600,
      orphans: "off",
      orphanHours: 24,
      isPending: () => false,
    },
  };
  const engines = new Map([[engine.name, engine]]);
  const options = { ...runtime, settings: { namespaces: "all" as const }, restore: false as const, engines };
  const stop = new AbortController();
  const leading = lead(runtime, artifactControllers(options), stop.signal);
  try {
    await eventually(() => expect(api.get(`${CHECKPOINTS}/${name}`)?.metadata.finalizers).toHaveLength(1));
    await api.send("DELETE", `${CHECKPOINTS}/${name}`);
    await eventually(() => expect(api.get(`${CHECKPOINTS}/${name}`)).toBeUndefined());
  } finally {
    stop.abort();
    await leading;
  }
  return events;
}

/** Deletes one of three Checkpoints, and one whose artifact is of another cluster. @returns which artifacts crane finds */
async function deletesOne(start: () => Promise<Started>): Promise<readonly boolean[]> {
  const { host, process: registry, collectGarbage } = await start();
  const client = new RegistryClient({ registry: host });
  try {
    const api = new FakeApi();
    api.putWithUID("/api/v1/namespaces", CLUSTER, { metadata: { name: "kube-system" } });
    const pushed: PushedCheckpoint[] = [];
    for (const n of [1, 2, 3]) {
      const reference = { registry: host, repository: "checkpoints", tag: uidOf(n) };
      // The last one is of another cluster that shares the repository.
      const cluster = n === 3 ? uidOf(99) : CLUSTER;
      const one = await pushCheckpoint({ uid: uidOf(n), reference, cluster, client, node });
      pushed.push(one);
      const containers = [{ name: "app", location: one.image }];
      api.putWithUID("/apis/automation.cedana.ai/v1alpha1/checkpoints", uidOf(n), {
        metadata: { name: `cp-${n}`, namespace: "shop" },
        spec: { podRef: { name: "web" }, deletionPolicy: "Delete" },
        record: { checkpointUID: uidOf(n) },
        status: {
          conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted" }],
          containers,
        },
      } as never);
    }
    const [first, second, third] = pushed as [PushedCheckpoint, PushedCheckpoint, PushedCheckpoint];
    const layersOf = ({ image }: PushedCheckpoint) =>
      (JSON.parse(run(CRANE, ["manifest", image])) as { layers: { digest: string }[] }).layers.map(
        ({ digest }) => digest,
      );
    const shared = layersOf(first).filter((digest) => layersOf(second).includes(digest));
    expect(shared.length).toBeGreaterThan(0);
    const found = ({ image }: PushedCheckpoint) => ran(CRANE, ["manifest", image]).status === 0;

    expect(await deleteCheckpoint(api, host, "cp-1")).toMatchObject([{ reason: "ArtifactDeleted" }]);
    expect(found(first)).toBe(false);
    collectGarbage?.();
    const before = await pullCheckpoint({
      image: second.image,
      client,
      node,
      podUID: "restored-pod",
    });
    expect(before.uid).toBe(uidOf(2));
    await node.forgetPlan("restored-pod");

    expect(await deleteCheckpoint(api, host, "cp-3")).toMatchObject([{ reason: "ArtifactKept" }]);
    return [first, second, third].map(found);
  } finally {
    client.close();
    await kill(registry);
  }
}

test("in crane's registry, the artifact of a deleted Checkpoint is not found any more, and the others can be restored", async () => {
  expect(await deletesOne(startRegistry)).toEqual([false, true, true]);
});

(DISTRIBUTION === undefined ? describe.skip : describe)("distribution", () => {
  test("also after a garbage collection", async () => {
    expect(await deletesOne(() => startDistribution(DISTRIBUTION ?? ""))).toEqual([false, true, true]);
  });
});
