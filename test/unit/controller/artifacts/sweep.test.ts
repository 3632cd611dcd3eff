/** The sweep: artifacts that no Checkpoint names, and Checkpoints without an artifact. */
import type { OrphansOptions } from "../../../../controller/artifacts/orphans";
import { releaseOthers } from "../../../../controller/artifacts/sweep";
import type { FakeRegistryOptions } from "../../../support/registry";
import { CHECKPOINTS, counted, NODE_RESTORES, uidOf, World, type Process } from "./support";
import { DAY_MS, NOW, sweepOf as sweepIn } from "./sweep-support";

const signal = new AbortController().signal;
let world: World;
const starting = async (options: FakeRegistryOptions = {}) => (world = await new World(options).start());

beforeEach(() => {
  jest.spyOn(Date, "now").mockReturnValue(NOW);
});
afterEach(async () => {
  await world.end();
  jest.restoreAllMocks();
});

const sweepOf = (process: Process, options?: Partial<OrphansOptions>) => sweepIn(world, process, options);
const gauge = async (process: Process) =>
  (await counted(process.metrics, "cedana_artifact_orphans"))[""] ?? 0;

test("reports an orphan, and deletes it only if configured, when two sweeps have found it", async () => {
  await starting();
  const [orphan, named] = [world.push(), world.push({ uid: uidOf(2) })];
  world.checkpoint("two", { uid: uidOf(2), image: named });
  const reporting = world.process();
  const first = sweepOf(reporting, { mode: "report" });
  for (let at = 0; at < 3; at++) await first.sweep();
  expect(world.has(orphan)).toBe(true);
  expect(await gauge(reporting)).toBe(1);
  const reported = reporting.lines.filter(
    (line) => (line as { msg: string }).msg === "no Checkpoint names this artifact",
  );
  expect(reported).toMatchObject([
    { image: orphan, checkpointUID: uidOf(1), namespace: "team-a", created: "2026-11-01T00:00:00.000Z" },
  ]);

  const deleting = world.process();
  const second = sweepOf(deleting);
  await second.sweep();
  expect(world.has(orphan)).toBe(true);
  await second.sweep();
  expect(world.has(orphan)).toBe(false);
  expect(world.has(named)).toBe(true);
  expect(await gauge(deleting)).toBe(0);
  expect(await counted(deleting.metrics, "cedana_artifact_orphans_deleted_total")).toEqual({ "": 1 });
});

test.each<[string, () => string, Partial<OrphansOptions>?]>([
  ["of another cluster", () => world.push({ cluster: uidOf(9) })],
  ["of an earlier agent, which names no cluster", () => world.push({ cluster: undefined })],
  [
    "that is younger than the safe age",
    () => world.push({ created: new Date(NOW - DAY_MS + 1000).toISOString() }),
  ],
  ["whose time is not known", () => world.push({ created: "yesterday" })],
  ["that is no checkpoint", () => world.push({ artifactType: "application/vnd.oci.image.config.v1+json" })],
  ["whose tag is not its UID", () => world.push({ tag: uidOf(3) })],
  ["with a tag of a user", () => world.push({ tag: "keep-this" })],
  [
    "of a namespace of another install",
    () => world.push({ namespace: "team-b" }),
    { namespaces: ["team-a"] },
  ],
  ["that an agent pushes", () => world.push(), { isPending: (uid) => uid === uidOf(1) }],
  [
    "that a Checkpoint names by its UID only",
    () => {
      world.checkpoint("one", { uid: uidOf(1), status: {} });
      return world.push();
    },
  ],
  [
    "that a Checkpoint from a backup names by its digest",
    () => {
      const image = world.push();
      world.checkpoint("copy", { uid: uidOf(5), image, record: { checkpointUID: uidOf(6) } });
      return image;
    },
  ],
  [
    "that a restore names",
    () => {
      const image = world.push();
      const spec = {
        podRef: { namespace: "team-a", name: "web-1", uid: "pod-1" },
        checkpointUID: uidOf(1),
        image,
      };
      world.api.put(NODE_RESTORES.replace("/namespaces/cedana-agents", ""), {
        metadata: { name: "pod-1", namespace: "cedana-agents" },
        spec,
        status: { conditions: [{ type: "Ready", status: "True" }] },
      } as never);
      return image;
    },
  ],
])("never deletes an artifact %s", async (_, push, options = {}) => {
  await starting();
  const image = push();
  const process = world.process();
  const { sweep } = sweepOf(process, options);
  for (let at = 0; at < 3; at++) await sweep();
  expect(world.has(image)).toBe(true);
  expect(await gauge(process)).toBe(0);
});

test("an orphan that is named again between two sweeps stays", async () => {
  await starting();
  const image = world.push();
  const process = world.process();
  const { sweep } = sweepOf(process);
  await sweep();
  world.checkpoint("copy", { uid: uidOf(5), image, record: { checkpointUID: uidOf(1) } });
  await sweep();
  expect(world.has(image)).toBe(true);
  expect(await gauge(process)).toBe(0);
});

test("reads a bounded number of manifests per sweep, reaches all of them, and reads foreign ones once", async () => {
  await starting();
  const own = Array.from({ length: 7 }, (_, n) => world.push({ uid: uidOf(n * 2) }));
  for (let n = 0; n < 7; n++) world.push({ uid: uidOf(n * 2 + 1), cluster: uidOf(99) });
  const process = world.process();
  const { sweep } = sweepOf(process, { mode: "report", limits: { reads: 5, pauseMs: 0 } });
  const reads = () => world.registry.seen.filter(({ path }) => path.includes("/manifests/")).length;
  for (let at = 0; at < 3; at++) {
    const before = reads();
    await sweep();
    expect(reads() - before).toBeLessThanOrEqual(5);
  }
  expect(await gauge(process)).toBe(own.length);
  const foreign = world.registry.seen.filter(({ path }) => path.endsWith(`/manifests/${uidOf(1)}`));
  expect(foreign).toHaveLength(1);
});

test("a deleted Checkpoint of another namespace is released only after the longest time that an install may wait", async () => {
  await starting();
  const process = world.process();
  for (const [name, namespace] of [
    ["mine", "team-a"],
    ["other", "team-b"],
  ] as const) {
    world.checkpoint(name, { uid: uidOf(namespace === "team-a" ? 1 : 2), namespace });
    await process.reconcile(name, namespace);
    await world.delete(name, namespace);
  }
  const other = () => world.api.get(CHECKPOINTS.replace("team-a", "team-b") + "/other");
  const deletedMs = Date.parse(other()?.metadata.deletionTimestamp ?? "");
  const release = async (afterMs: number) => {
    jest.spyOn(Date, "now").mockReturnValue(deletedMs + afterMs);
    await releaseOthers(process.runtime.client, ["team-a"], signal);
  };
  await release(7 * DAY_MS - 1000);
  expect(other()).toBeDefined();
  await release(7 * DAY_MS + 1000);
  expect(other()).toBeUndefined();
  expect(world.get("mine")).toBeDefined();
});

test("with one repository per namespace, sweeps all of them", async () => {
  await starting();
  world.perNamespace = true;
  const images = [world.push({ repository: "checkpoints/team-a" }), world.push({ uid: uidOf(2) })];
  const { sweep } = sweepOf(world.process(), { namespaces: ["team-a", "team-b"] });
  await sweep();
  await sweep();
  expect(images.map((image) => world.has(image))).toEqual([false, false]);
});

test("nothing is deleted by a sweep that the registry interrupts", async () => {
  let down = false;
  await starting({ fault: ({ method }) => (down && method === "GET" ? { status: 403 } : undefined) });
  const image = world.push();
  const { sweep } = sweepOf(world.process());
  await sweep();
  down = true;
  const { failed } = await sweep();
  expect([...failed.values()].map(String)).toEqual([expect.stringContaining("403")]);
  expect(world.has(image)).toBe(true);
});

test("a repository that cannot be listed keeps its orphans, and the sweep of the other repositories continues", async () => {
  let down = "";
  await starting({
    fault: ({ path }) => (down !== "" && path.startsWith(down) ? { status: 403 } : undefined),
  });
  world.perNamespace = true;
  const broken = world.push({ repository: "checkpoints/team-a" });
  const sound = world.push({ uid: uidOf(2), namespace: "team-b", repository: "checkpoints/team-b" });
  const gone = world.push({ uid: uidOf(3), repository: "checkpoints/team-a" });
  world.checkpoint("gone", { uid: uidOf(3), image: gone });
  const process = world.process();
  const { sweep, missing } = sweepOf(process, { namespaces: ["team-a", "team-b"] });
  await sweep();
  down = "/v2/checkpoints/team-a/";
  const swept = await sweep();
  expect([...swept.failed.keys()]).toEqual([`${world.repository}/team-a`]);
  expect([world.has(broken), world.has(sound)]).toEqual([true, false]);
  expect(await gauge(process)).toBe(1);
  // Its manifests cannot be read either: nothing is asked of it.
  await missing(swept);
  expect(world.get("gone")?.status?.conditions).toMatchObject([{ type: "Ready", status: "True" }]);
  down = "";
  await sweep();
  expect(world.has(broken)).toBe(false);
});

describe("a Checkpoint whose artifact is not in the registry", () => {
  test("gets ImageNotFound, with an event", async () => {
    await starting();
    const [image, other] = [world.push(), world.push({ uid: uidOf(2) })];
    world.checkpoint("one", { uid: uidOf(1), image });
    world.checkpoint("two", { uid: uidOf(2), image: other });
    for (const key of world.registry.manifests.keys())
      if (key.includes(uidOf(1)) || key.includes(image.split("@")[1]!)) world.registry.manifests.delete(key);
    const process = world.process();
    const { sweep, missing } = sweepOf(process);
    await missing(await sweep());
    const ready = (name: string) => world.get(name)?.status?.conditions?.find(({ type }) => type === "Ready");
    expect(ready("one")).toMatchObject({ status: "False", reason: "ImageNotFound" });
    expect(ready("two")).toMatchObject({ status: "True" });
    expect(process.events).toMatchObject([{ reason: "ImageNotFound", regarding: { name: "one" } }]);
    expect(await counted(process.metrics, "cedana_artifacts_missing_total")).toEqual({ "": 1 });
  });

  test.each<[string, () => void]>([
    ["it has no tag", () => void world.registry.manifests.delete(`checkpoints/${uidOf(1)}`)],
    ["the whole repository is empty", () => world.registry.manifests.clear()],
  ])("nothing is concluded if %s", async (_, change) => {
    await starting();
    world.checkpoint("one", { uid: uidOf(1), image: world.push() });
    change();
    const { sweep, missing } = sweepOf(world.process());
    await missing(await sweep());
    expect(world.get("one")?.status?.conditions).toMatchObject([{ reason: "CheckpointCompleted" }]);
  });

  test("the next sweep finds the last Checkpoint if the registry failed for it", async () => {
    let fails = false;
    await starting({
      fault: ({ method, path }) =>
        fails && method === "GET" && path.includes("sha256") ? { status: 403 } : undefined,
    });
    world.push({ uid: uidOf(99) });
    const image = world.push();
    world.checkpoint("gone", { uid: uidOf(1), image });
    world.registry.manifests.delete(`checkpoints/${uidOf(1)}`);
    world.registry.manifests.delete(`checkpoints/${image.split("@")[1]!}`);
    const { sweep, missing } = sweepOf(world.process());
    const swept = await sweep();
    fails = true;
    await expect(missing(swept)).rejects.toThrow("403");
    fails = false;
    await missing(swept);
    expect(world.get("gone")?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: "Ready", reason: "ImageNotFound" }),
    );
  });

  test("is found after a limited number of other Checkpoints without a tag", async () => {
    let fails = false;
    await starting({
      fault: ({ method, path }) =>
        fails && method === "GET" && path.includes("sha256") ? { status: 403 } : undefined,
    });
    world.push({ uid: uidOf(99) });
    for (let n = 0; n < 7; n++) {
      world.checkpoint(`c${n}`, { uid: uidOf(n), image: world.push({ uid: uidOf(n) }) });
      world.registry.manifests.delete(`checkpoints/${uidOf(n)}`);
    }
    const image = world.push({ uid: uidOf(8) });
    world.checkpoint("gone", { uid: uidOf(8), image });
    world.registry.manifests.delete(`checkpoints/${uidOf(8)}`);
    world.registry.manifests.delete(`checkpoints/${image.split("@")[1]!}`);
    const process = world.process();
    const { sweep, missing } = sweepOf(process, { limits: { reads: 3, pauseMs: 0 } });
    const swept = await sweep();
    const reads = () => world.registry.seen.filter(({ path }) => path.includes("sha256")).length;
    const reasons = async () => {
      const before = reads();
      await missing(swept);
      expect(reads() - before).toBeLessThanOrEqual(3);
      return world.get("gone")?.status?.conditions?.[0]?.reason;
    };
    expect(await reasons()).toBe("CheckpointCompleted");
    // A registry that fails for one of them does not hold up the others.
    fails = true;
    await expect(missing(swept)).rejects.toThrow("403");
    fails = false;
    expect(await reasons()).toBe("CheckpointCompleted");
    expect(await reasons()).toBe("ImageNotFound");
    // It begins again, and records each once.
    for (let at = 0; at < 4; at++) expect(await reasons()).toBe("ImageNotFound");
    expect(await counted(process.metrics, "cedana_artifacts_missing_total")).toEqual({ "": 1 });
    for (const key of world.registry.manifests.keys())
      if (key.includes("sha256")) world.registry.manifests.delete(key);
    for (let at = 0; at < 3; at++) await reasons();
    expect(await counted(process.metrics, "cedana_artifacts_missing_total")).toEqual({ "": 8 });
  });
});
