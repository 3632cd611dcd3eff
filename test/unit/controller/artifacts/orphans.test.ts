/** Orphans are deleted only if a list of the Checkpoints of all namespaces confirms that none names them. */
import { Elsewhere } from "../../../../controller/artifacts/elsewhere";
import { Missing } from "../../../../controller/artifacts/missing";
import { Orphans, type OrphansOptions } from "../../../../controller/artifacts/orphans";
import { sweepOnce } from "../../../../controller/artifacts/sweep";
import { SweepReport } from "../../../../controller/artifacts/sweep-report";
import { ClusterIdentity } from "../../../../controller/cluster";
import { ApiError } from "../../../../kube";
import { counted, uidOf, World, type Process } from "./support";
import { DAY_MS, NOW, sweepOf } from "./sweep-support";

let world: World;
beforeEach(async () => {
  jest.spyOn(Date, "now").mockReturnValue(NOW);
  world = await new World().start();
});
afterEach(async () => {
  await world.end();
  jest.restoreAllMocks();
});

const gauge = async (process: Process) =>
  (await counted(process.metrics, "cedana_artifact_orphans"))[""] ?? 0;

/** Makes the client of a process reject lists of all Checkpoints, or count them. */
function lists(process: Process, fault?: () => ApiError | undefined): { count: number } {
  const { client } = process.runtime;
  const list = client.list.bind(client);
  const seen = { count: 0 };
  client.list = async (kind, options) => {
    if (kind.kind === "Checkpoint" && options?.namespace === undefined) {
      seen.count++;
      const error = fault?.();
      if (error) throw error;
    }
    return list(kind, options);
  };
  return seen;
}

/** A cache that has not seen any Checkpoint. */
const stale = (process: Process): Partial<OrphansOptions> => ({
  uses: Object.create(process.uses, { checkpointsOf: { value: () => [] } }) as OrphansOptions["uses"],
});

test.each<[string, (image: string) => void]>([
  ["names it by its UID", () => world.checkpoint("one", { uid: uidOf(1), status: {} })],
  [
    "has its UID, although its record has another one",
    () => world.checkpoint("copy", { uid: uidOf(1), status: {}, record: { checkpointUID: uidOf(6) } }),
  ],
  [
    "names it by its record",
    () => world.checkpoint("copy", { uid: uidOf(5), status: {}, record: { checkpointUID: uidOf(1) } }),
  ],
  [
    "names it by its digest",
    (image) => world.checkpoint("copy", { uid: uidOf(5), image, record: { checkpointUID: uidOf(6) } }),
  ],
  [
    "of a namespace of another install names it",
    (image) =>
      world.checkpoint("copy", {
        uid: uidOf(5),
        image,
        namespace: "team-b",
        record: { checkpointUID: uidOf(6) },
      }),
  ],
])("an artifact stays, and is no orphan, if a Checkpoint that the cache lacks %s", async (_, create) => {
  const [image, orphan] = [world.push(), world.push({ uid: uidOf(2) })];
  create(image);
  const process = world.process(undefined, ["team-a"]);
  const { sweep } = sweepOf(world, process, { namespaces: ["team-a"], ...stale(process) });
  for (let at = 0; at < 3; at++) await sweep();
  expect([world.has(image), world.has(orphan)]).toEqual([true, false]);
  expect(await gauge(process)).toBe(0);
});

test("keeps the artifact of a Checkpoint that is being deleted, because the controller of its install deletes it", async () => {
  const image = world.push();
  world.checkpoint("copy", {
    uid: uidOf(5),
    image,
    namespace: "team-b",
    record: { checkpointUID: uidOf(6) },
  });
  world.edit(
    "copy",
    ({ metadata }) => void (metadata["finalizers"] = ["automation.cedana.ai/artifact"]),
    "team-b",
  );
  await world.delete("copy", "team-b");
  const process = world.process(undefined, ["team-a"]);
  const { sweep } = sweepOf(world, process, { namespaces: ["team-a"] });
  for (let at = 0; at < 3; at++) await sweep();
  expect(world.has(image)).toBe(true);
});

test("finds a Checkpoint that is created between the sweep and the deletion if the list of the sweep is older than 30 s", async () => {
  const images = [1, 2].map((n) => world.push({ uid: uidOf(n) }));
  const process = world.process();
  const options = stale(process);
  const { sweep } = sweepOf(world, process, options);
  await sweep();
  const real = process.registry.delete.bind(process.registry);
  process.registry.delete = async (...call) => {
    // The deletion of the first artifact takes long. Meanwhile a backup of the Checkpoint of the other one is restored.
    world.checkpoint("copy", { uid: uidOf(5), image: images[1]!, record: { checkpointUID: uidOf(2) } });
    jest.spyOn(Date, "now").mockReturnValue(NOW + 31_000);
    return real(...call);
  };
  await sweep();
  expect(images.map((image) => world.has(image))).toEqual([false, true]);
});

test("many deletions share one list", async () => {
  const images = Array.from({ length: 20 }, (_, n) => world.push({ uid: uidOf(n + 1) }));
  const process = world.process();
  const seen = lists(process);
  const { sweep } = sweepOf(world, process);
  await sweep();
  expect(seen.count).toBe(1);
  await sweep();
  expect(images.some((image) => world.has(image))).toBe(false);
  expect(seen.count).toBe(2);
  // Without an orphan, nothing is listed.
  await sweep();
  expect(seen.count).toBe(2);
});

test.each(["report", "delete"] as const)(
  "with %s, orphans are reported and stay while the list is denied or fails",
  async (mode) => {
    const image = world.push();
    const process = world.process();
    let error: ApiError | undefined = new ApiError(403, "checkpoints is forbidden");
    lists(process, () => error);
    const { sweep } = sweepOf(world, process, { mode });
    for (let at = 0; at < 3; at++)
      expect((await sweep()).unconfirmed).toEqual(new ApiError(403, "checkpoints is forbidden"));
    expect(world.has(image)).toBe(true);
    expect(await gauge(process)).toBe(1);
    error = new ApiError(503, "etcd is down");
    expect((await sweep()).unconfirmed?.message).toBe("etcd is down");
    error = undefined;
    const { unconfirmed } = await sweep();
    expect([unconfirmed, world.has(image)]).toEqual([undefined, mode === "report"]);
  },
);

test("uses a list of all Checkpoints for 30 s, and repeats a failed list", async () => {
  let [count, fails] = [0, true];
  const elsewhere = new Elsewhere({
    list: async () => {
      count++;
      if (fails) throw new ApiError(503, "etcd is down");
      return [];
    },
  });
  const { signal } = new AbortController();
  await expect(elsewhere.user([uidOf(1)], signal)).rejects.toThrow("etcd is down");
  fails = false;
  expect(await elsewhere.user([uidOf(1)], signal)).toBeUndefined();
  jest.spyOn(Date, "now").mockReturnValue(NOW + 30_000);
  expect(await elsewhere.user([uidOf(1)], signal)).toBeUndefined();
  expect(count).toBe(2);
  jest.spyOn(Date, "now").mockReturnValue(NOW + 30_001);
  await elsewhere.user([uidOf(1)], signal);
  expect(count).toBe(3);
});

test("deletes nothing in a sweep whose list fails once", async () => {
  const image = world.push();
  const process = world.process();
  let fails = 0;
  lists(process, () => (fails-- > 0 ? new ApiError(503, "etcd is down") : undefined));
  const { sweep } = sweepOf(world, process);
  await sweep();
  fails = 1;
  expect((await sweep()).unconfirmed?.message).toBe("etcd is down");
  expect(world.has(image)).toBe(true);
  expect((await sweep()).unconfirmed).toBeUndefined();
  expect(world.has(image)).toBe(false);
});

test("a process that no longer leads ends its sweep, and reports no failure of the list", async () => {
  world.push();
  const process = world.process();
  const stop = new AbortController();
  lists(process, () => {
    stop.abort(new Error("another process leads"));
    return new ApiError(503, "aborted");
  });
  await expect(sweepOf(world, process).sweep(stop.signal)).rejects.toThrow("another process leads");
});

test("logs why nothing is deleted, does not count the sweep as complete, and still finds missing artifacts", async () => {
  const [orphan, gone] = [world.push(), world.push({ uid: uidOf(2) })];
  world.checkpoint("gone", { uid: uidOf(2), image: gone });
  for (const key of world.registry.manifests.keys())
    if (key.includes(uidOf(2)) || key.includes(gone.split("@")[1]!)) world.registry.manifests.delete(key);
  const process = world.process();
  const { client, events, log, metrics } = process.runtime;
  let isDenied = true;
  lists(process, () => (isDenied ? new ApiError(403, "checkpoints is forbidden") : undefined));
  await process.synced();
  const options = {
    client,
    mode: "delete" as const,
    namespaces: "all" as const,
    minAgeMs: DAY_MS,
    repositories: world.repositories,
    registry: process.registry,
    cluster: new ClusterIdentity(client),
    uses: process.uses,
    checkpoints: process.checkpoints,
    isPending: () => false,
    report: new SweepReport(events, log, metrics),
    limits: { reads: 100, pauseMs: 0 },
    log,
  };
  const sweep = { ...options, orphans: new Orphans(options), missing: new Missing(options) };
  for (let at = 0; at < 2; at++) await sweepOnce(sweep, process.stopping.signal);
  expect(process.lines).toContainEqual(
    expect.objectContaining({
      msg: "the Checkpoints of all namespaces cannot be listed: no artifact without a Checkpoint is deleted, retrying later",
      err: expect.objectContaining({ message: "checkpoints is forbidden" }) as unknown,
    }),
  );
  expect(process.events).toMatchObject([{ reason: "ImageNotFound", regarding: { name: "gone" } }]);
  const ended = () => counted(metrics, "cedana_artifact_sweep_last_success_timestamp_seconds");
  expect(await ended()).toEqual({});
  expect(world.has(orphan)).toBe(true);

  isDenied = false;
  await sweepOnce(sweep, process.stopping.signal);
  expect(await ended()).toEqual({ "": NOW / 1000 });
  expect(world.has(orphan)).toBe(false);
});
