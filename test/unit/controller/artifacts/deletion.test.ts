/** Deletion of artifacts with their Checkpoints: what is deleted, what is kept, and for how long it is waited. */

import { RESTORED_POD } from "../../../../controller/restore/pods";
import { ApiError, type ListOptions } from "../../../../kube";
import type { FakeRegistryOptions } from "../../../support/registry";
import { counted, fakeDate, FINALIZER, NODE_RESTORES, uidOf, WAIT_MS, World, type Process } from "./support";

const START = Date.parse("2026-11-28T03:00:00Z");
let world: World;
const starting = async (options: FakeRegistryOptions = {}) => (world = await new World(options).start());

beforeEach(() => fakeDate(START));
afterEach(async () => {
  await world.end();
  jest.useRealTimers();
});

const later = (ms: number) => jest.setSystemTime(Date.now() + ms);

const deleted = (name = "one", options: Parameters<World["deleted"]>[1] = {}) => world.deleted(name, options);

test("holds a Checkpoint with the policy Delete, and releases it when the policy changes", async () => {
  await starting();
  world.checkpoint("one", { uid: uidOf(1) });
  world.checkpoint("two", { uid: uidOf(2), spec: { deletionPolicy: "Retain" } });
  world.edit("one", ({ metadata }) => (metadata.finalizers = ["example.com/other"]));
  const process = world.process();
  await process.reconcile("one");
  await process.reconcile("two");
  expect(world.get("one")?.metadata.finalizers).toEqual(["example.com/other", FINALIZER]);
  expect(world.get("two")?.metadata.finalizers).toBeUndefined();
  world.edit(
    "one",
    (object) => delete (object as never as { spec: { deletionPolicy?: string } }).spec.deletionPolicy,
  );
  await process.reconcile("one");
  expect(world.get("one")?.metadata.finalizers).toEqual(["example.com/other"]);
});

test("deletes the artifact of a deleted Checkpoint by its digest, and no other", async () => {
  await starting();
  const [image, other] = [world.push(), world.push({ uid: uidOf(2) })];
  const process = await deleted("one", { image });
  expect(await process.reconcile("one")).toBeUndefined();
  expect(world.has(image)).toBe(false);
  expect(world.has(other)).toBe(true);
  expect(world.get("one")).toBeUndefined();
  expect(world.registry.seen.filter(({ method }) => method === "DELETE").map(({ path }) => path)).toEqual([
    `/v2/checkpoints/manifests/${image.split("@")[1]}`,
  ]);
  expect(process.events.map(({ reason }) => reason)).toEqual(["ArtifactDeleted"]);
  expect(await counted(process.metrics, "cedana_artifact_deletions_total")).toEqual({ "deleted None": 1 });
});

test("keeps the artifact if the policy is Retain when the Checkpoint is deleted", async () => {
  await starting();
  const image = world.push();
  const process = await deleted("one", { image });
  world.edit(
    "one",
    (object) => ((object as never as { spec: { deletionPolicy: string } }).spec.deletionPolicy = "Retain"),
  );
  await process.reconcile("one");
  expect(world.get("one")).toBeUndefined();
  expect(world.has(image)).toBe(true);
});

test.each<[string, () => string, string]>([
  ["of another Checkpoint", () => world.push({ uid: uidOf(7) }), "OtherCheckpoint"],
  ["of a pod of another namespace", () => world.push({ namespace: "team-b" }), "OtherNamespace"],
  ["of another cluster", () => world.push({ cluster: uidOf(9) }), "OtherCluster"],
  [
    "that is an image",
    () => world.push({ artifactType: "application/vnd.docker.container.image.v1+json" }),
    "NotACheckpoint",
  ],
  ["in another repository", () => world.push({ repository: "other" }), "OtherRepository"],
  ["in a repository below", () => world.push({ repository: "checkpoints/team-b" }), "OtherRepository"],
  ["by tag", () => `${world.repository}:${uidOf(1)}`, "OtherRepository"],
  ["in another registry", () => `other.example.com/checkpoints@sha256:${"a".repeat(64)}`, "OtherRepository"],
])("a forged status does not delete an artifact %s", async (_, push, reason) => {
  await starting();
  const victim = push();
  const before = world.registry.manifests.size;
  const process = await deleted("one", { image: victim });
  await process.reconcile("one");
  expect(world.get("one")).toBeUndefined();
  expect(world.registry.manifests.size).toBe(before);
  expect(process.events).toMatchObject([{ reason: "ArtifactKept", type: "Warning" }]);
  expect(await counted(process.metrics, "cedana_artifact_deletions_total")).toEqual({
    [`kept ${reason}`]: 1,
  });
});

test("a record that names another Checkpoint's artifact does not delete it while that one exists", async () => {
  await starting();
  const image = world.push({ uid: uidOf(2) });
  world.checkpoint("victim", { uid: uidOf(2), image, spec: { deletionPolicy: "Retain" } });
  const process = await deleted("one", { image, record: { checkpointUID: uidOf(2) } });
  await process.reconcile("one");
  expect(world.get("one")).toBeUndefined();
  expect(world.has(image)).toBe(true);
});

test("with one repository per namespace, deletes in that of the namespace and in the common one only", async () => {
  await starting();
  world.perNamespace = true;
  const own = world.push({ repository: "checkpoints/team-a" });
  const common = world.push({ uid: uidOf(2) });
  const process = await deleted("one", { image: own });
  await process.reconcile("one");
  expect(world.has(own)).toBe(false);
  world.checkpoint("two", { uid: uidOf(2), image: common });
  await process.reconcile("two");
  await world.delete("two");
  await process.reconcile("two");
  expect(world.has(common)).toBe(false);
});

test("an artifact without a cluster is deleted with the Checkpoint that was taken, and not with one from a backup", async () => {
  await starting();
  const image = world.push({ cluster: undefined });
  const imported = await deleted("copy", { uid: uidOf(5), image, record: { checkpointUID: uidOf(1) } });
  await imported.reconcile("copy");
  expect(world.has(image)).toBe(true);
  const process = await deleted("one", { image });
  await process.reconcile("one");
  expect(world.has(image)).toBe(false);
});

test("two Checkpoints of one artifact: the last one deletes it, also if both are deleted", async () => {
  await starting();
  const image = world.push();
  const process = await deleted("one", { image });
  world.checkpoint("copy", { uid: uidOf(5), image, record: { checkpointUID: uidOf(1) } });
  await process.reconcile("one");
  expect(world.get("one")).toBeUndefined();
  expect(world.has(image)).toBe(true);
  expect(await counted(process.metrics, "cedana_artifact_deletions_total")).toEqual({ "kept Shared": 1 });
  await process.reconcile("copy");
  world.checkpoint("third", { uid: uidOf(6), image, record: { checkpointUID: uidOf(1) } });
  await process.reconcile("third");
  await world.delete("copy");
  await world.delete("third");
  await process.reconcile("copy");
  expect(world.has(image)).toBe(false);
  await process.reconcile("third");
  expect(world.get("third")).toBeUndefined();
});

test("a Checkpoint of a namespace that the install does not have keeps the artifact", async () => {
  await starting();
  const image = world.push();
  const process = world.process(undefined, ["team-a"]);
  world.checkpoint("one", { uid: uidOf(1), image });
  await process.reconcile("one");
  world.checkpoint("copy", {
    uid: uidOf(5),
    image,
    namespace: "team-z",
    record: { checkpointUID: uidOf(9) },
  });
  await world.delete("one");
  await process.reconcile("one");
  expect(world.get("one")).toBeUndefined();
  expect(world.has(image)).toBe(true);
  expect(await counted(process.metrics, "cedana_artifact_deletions_total")).toEqual({ "kept Shared": 1 });
});

test("one from a backup whose status is not written yet keeps the artifact", async () => {
  await starting();
  const image = world.push();
  const process = await deleted("one", { image });
  const result = { containers: [{ name: "app", location: image }] };
  world.checkpoint("copy", { uid: uidOf(5), status: {}, record: { checkpointUID: uidOf(1), result } });
  await process.reconcile("one");
  expect(world.has(image)).toBe(true);
});

describe("an artifact in use", () => {
  const nodeRestore = (image: string, ready: boolean) => ({
    metadata: { name: "pod-1", namespace: "cedana-agents" },
    spec: { podRef: { namespace: "team-a", name: "web-1", uid: "pod-1" }, checkpointUID: uidOf(1), image },
    status: ready ? { conditions: [{ type: "Ready", status: "True", reason: "Restored", message: "" }] } : {},
  });

  test("is deleted when the restore that reads it has its outcome", async () => {
    await starting();
    const image = world.push();
    const process = await deleted("one", { image });
    world.api.put(NODE_RESTORES.replace("/namespaces/cedana-agents", ""), nodeRestore(image, false));
    expect(await process.reconcile("one")).toBe(30_000);
    expect(world.has(image)).toBe(true);
    expect(world.blocked("one")).toMatchObject({
      status: "True",
      reason: "ArtifactInUse",
      message: "pod web-1 is being restored from it: the artifact is deleted afterwards",
    });
    world.api.put(NODE_RESTORES.replace("/namespaces/cedana-agents", ""), nodeRestore(image, true));
    expect(await process.reconcile("one")).toBeUndefined();
    expect(world.has(image)).toBe(false);
    expect(process.events.map(({ reason }) => reason)).toEqual(["ArtifactInUse", "ArtifactDeleted"]);
  });

  test.each<[string, () => void]>([
    [
      "by the claim of a pod",
      () =>
        world.edit(
          "one",
          (object) =>
            ((object as never as { status: object }).status = {
              ...(object as never as { status: object }).status,
              restore: { state: "Claimed", podName: "web-1", time: "" },
            }),
        ),
    ],
    [
      "by the claim of a pod of another Checkpoint of it",
      () => {
        const restore = { state: "Claimed" as const, podName: "web-1", time: "2026-11-28T00:00:00Z" };
        const { status } = world.get("one") ?? {};
        world.checkpoint("copy", {
          uid: uidOf(5),
          record: { checkpointUID: uidOf(1) },
          status: { ...status, restore },
        });
      },
    ],
    [
      "by a pod that has no node yet",
      () => {
        const labels = { "cedana.ai/restored-from": uidOf(1) };
        const annotations = { "cedana.ai/restore-plan": uidOf(1) };
        world.api.put("/api/v1/pods", {
          metadata: { name: "web-1", namespace: "team-a", labels, annotations },
        } as never);
      },
    ],
  ])("%s waits", async (_, use) => {
    await starting();
    const image = world.push();
    const process = await deleted("one", { image });
    use();
    expect(await process.reconcile("one")).toBe(30_000);
    expect(world.has(image)).toBe(true);
    expect(world.blocked("one")).toMatchObject({ reason: "ArtifactInUse" });
  });

  test("does not hold the Checkpoint beyond its time, and stays", async () => {
    await starting();
    const image = world.push();
    const process = await deleted("one", { image });
    world.api.put(NODE_RESTORES.replace("/namespaces/cedana-agents", ""), nodeRestore(image, false));
    await process.reconcile("one");
    later(WAIT_MS + 1000);
    await process.reconcile("one");
    expect(world.get("one")).toBeUndefined();
    expect(world.has(image)).toBe(true);
    expect(await counted(process.metrics, "cedana_artifact_deletions_total")).toEqual({ "gaveUp InUse": 1 });
    expect(process.events.at(-1)).toMatchObject({ reason: "ArtifactKept", type: "Warning" });
  });
});

describe("a pod that the cache does not have", () => {
  const POD = {
    metadata: {
      name: "web-1",
      namespace: "team-a",
      uid: "pod-1",
      resourceVersion: "7",
      creationTimestamp: "2026-11-28T02:00:00Z",
      labels: { "cedana.ai/restored-from": uidOf(1) },
      annotations: { "cedana.ai/restore-plan": uidOf(1) },
    },
  };
  /** Answers the read of the pods of team-a that is no part of a cache. */
  const answering = (process: Process, answer: () => never[]) => {
    const { client } = process.runtime;
    const list = client.list.bind(client);
    jest.spyOn(client, "list").mockImplementation((async (
      kind: typeof RESTORED_POD,
      options: ListOptions,
    ) => {
      if (kind.plural !== "pods") return list(kind, options);
      expect(options).toMatchObject({
        namespace: "team-a",
        labelSelector: `cedana.ai/restored-from=${uidOf(1)}`,
      });
      return answer();
    }) as never);
  };
  const forbidden = (): never => {
    throw new ApiError(403, "pods is forbidden");
  };

  test("keeps the artifact until it is restored", async () => {
    await starting();
    const image = world.push();
    const process = await deleted("one", { image });
    let waits = true;
    answering(process, () => (waits ? [RESTORED_POD.project(POD) as never] : []));
    expect(await process.reconcile("one")).toBe(30_000);
    expect(world.has(image)).toBe(true);
    expect(world.blocked("one")).toMatchObject({
      reason: "ArtifactInUse",
      message: "pod web-1 waits to be restored from it: the artifact is deleted afterwards",
    });
    waits = false;
    expect(await process.reconcile("one")).toBeUndefined();
    expect(world.has(image)).toBe(false);
  });

  test("cannot be excluded while pods cannot be listed: the artifact stays, for a limited time", async () => {
    await starting();
    const image = world.push();
    const process = await deleted("one", { image });
    world.api.put("/api/v1/namespaces", { metadata: { name: "team-a" } });
    answering(process, forbidden);
    expect(await process.reconcile("one")).toBe(2000);
    expect(world.has(image)).toBe(true);
    expect(world.blocked("one")).toMatchObject({ reason: "ArtifactNotDeleted" });
    later(WAIT_MS);
    await process.reconcile("one");
    expect(world.get("one")).toBeUndefined();
    expect(world.has(image)).toBe(true);
  });

  test("starts no more in a namespace that is deleted, whose RoleBindings are gone", async () => {
    await starting();
    const image = world.push();
    const process = await deleted("one", { image });
    world.api.put("/api/v1/namespaces", {
      metadata: { name: "team-a", deletionTimestamp: "2026-11-28T03:00:00Z" } as { name: string },
    });
    answering(process, forbidden);
    expect(await process.reconcile("one")).toBeUndefined();
    expect(world.has(image)).toBe(false);
  });
});

describe("a Checkpoint that has not ended", () => {
  const requested = {
    conditions: [
      {
        type: "Progressing",
        status: "True",
        reason: "CheckpointInProgress",
        message: "",
        lastTransitionTime: "",
      },
    ],
  } as never;

  test("gives its request up, and what was pushed until then is deleted", async () => {
    await starting();
    const process = await deleted("one", { status: requested });
    expect(await process.reconcile("one")).toBe(15_000);
    expect(process.withdrawn).toEqual([uidOf(1)]);
    const image = world.push();
    later(15_000);
    await process.reconcile("one");
    expect(world.get("one")).toBeUndefined();
    expect(world.has(image)).toBe(false);
  });

  test("that was never requested is released without the registry", async () => {
    await starting({ fault: () => ({ status: 503 }) });
    world.checkpoint("one", { uid: uidOf(1), status: {} });
    world.edit("one", (object) => delete object["record"]);
    const process = world.process();
    await process.reconcile("one");
    await world.delete("one");
    await process.reconcile("one");
    expect(world.get("one")).toBeUndefined();
    expect(world.registry.seen).toEqual([]);
  });

  test("that failed, and was pushed all the same, has its artifact deleted by the tag", async () => {
    await starting();
    const image = world.push();
    const failed = {
      conditions: [
        { type: "Failed", status: "True", reason: "AgentNotAnswering", message: "", lastTransitionTime: "" },
      ],
    } as never;
    const process = await deleted("one", { status: failed });
    await process.reconcile("one");
    expect(world.has(image)).toBe(false);
  });
});
