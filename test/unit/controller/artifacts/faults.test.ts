/** Deletion of artifacts with a registry or an API server that fails, and crashes. */
import { ApiError } from "../../../../kube";
import type { FakeRegistryOptions } from "../../../support/registry";
import { counted, fakeDate, uidOf, WAIT_MS, World } from "./support";

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

describe("a registry", () => {
  const isDelete = ({ method }: { readonly method: string }) => method === "DELETE";

  test.each<[string, FakeRegistryOptions, string]>([
    [
      "that deletes nothing",
      { keepsManifests: true },
      "405 UNSUPPORTED the operation is unsupported (enable deletion in the registry)",
    ],
    ["that needs credentials", { auth: "basic", username: "me", password: "secret" }, "401"],
    [
      "that permits no deletion",
      {
        fault: (one) =>
          isDelete(one)
            ? { status: 403, body: JSON.stringify({ errors: [{ code: "DENIED", message: "no" }] }) }
            : undefined,
      },
      "403 DENIED no",
    ],
    ["that is down", { fault: () => ({ status: 503 }) }, "503"],
    ["that limits requests", { fault: () => ({ status: 429, headers: { "retry-after": "120" } }) }, "429"],
    [
      "whose proxy responds for it",
      { fault: (one) => (isDelete(one) ? { status: 404, body: "404 page not found" } : undefined) },
      "404 page not found",
    ],
    [
      "whose proxy responds to reads",
      { fault: () => ({ status: 404, body: "404 page not found" }) },
      "404 page not found",
    ],
    [
      "that redirects to plain HTTP elsewhere",
      {
        fault: (one) =>
          isDelete(one) ? { status: 307, headers: { location: "http://other.example/" } } : undefined,
      },
      "plain HTTP is allowed for localhost only",
    ],
    [
      "that sends another manifest",
      { fault: ({ method }) => (method === "GET" ? { status: 200, body: "{}" } : undefined) },
      "instead of",
    ],
  ])("%s blocks the deletion, with the reason, and not for ever", async (_, options, message) => {
    await starting(options);
    const image = world.push();
    const process = await deleted("one", { image });
    expect(await process.reconcile("one")).toBe(2000);
    expect(world.has(image)).toBe(true);
    expect(world.blocked("one")).toMatchObject({ reason: "ArtifactNotDeleted" });
    expect(world.blocked("one")?.message).toContain(message);
    expect(world.blocked("one")?.message).not.toContain("secret");
    later(2000);
    expect(await process.reconcile("one")).toBe(4000);
    later(WAIT_MS + 1000);
    await process.reconcile("one");
    expect(world.get("one")).toBeUndefined();
    expect(world.has(image)).toBe(true);
    expect(await counted(process.metrics, "cedana_artifact_deletions_total")).toEqual({
      "gaveUp NotDeleted": 1,
    });
  });

  test("that comes back deletes the artifact", async () => {
    let down = true;
    await starting({ fault: () => (down ? { status: 503 } : undefined) });
    const image = world.push();
    const process = await deleted("one", { image });
    await process.reconcile("one");
    down = false;
    later(2000);
    expect(await process.reconcile("one")).toBeUndefined();
    expect(world.has(image)).toBe(false);
  });

  test("is asked again only after the delay, although the controller's own condition comes back at once", async () => {
    await starting({ fault: () => ({ status: 503 }) });
    const process = await deleted("one", { image: world.push() });
    expect(await process.reconcile("one")).toBe(2000);
    const asked = world.registry.seen.length;
    expect(await process.reconcile("one")).toBe(2000);
    later(500);
    expect(await process.reconcile("one")).toBe(1500);
    expect(world.registry.seen).toHaveLength(asked);
    later(1500);
    expect(await process.reconcile("one")).toBe(4000);
    expect(world.registry.seen.length).toBeGreaterThan(asked);
  });

  test("that does not have the artifact releases the Checkpoint", async () => {
    await starting();
    const image = world.push();
    world.registry.manifests.clear();
    const process = await deleted("one", { image });
    await process.reconcile("one");
    expect(world.get("one")).toBeUndefined();
    expect(await counted(process.metrics, "cedana_artifact_deletions_total")).toEqual({ "absent None": 1 });
  });
});

test("in a namespace that is deleted, a Checkpoint is released although its status cannot be written", async () => {
  await starting({ fault: () => ({ status: 503 }) });
  const image = world.push();
  const process = await deleted("one", { image });
  world.api.before = ({ method, path }) => {
    if (method === "PATCH" && path.endsWith("/status"))
      throw new ApiError(403, "forbidden: namespace team-a is being terminated");
  };
  expect(await process.reconcile("one")).toBe(2000);
  later(WAIT_MS + 1000);
  await process.reconcile("one");
  expect(world.get("one")).toBeUndefined();
});

test("a crash between any two steps deletes exactly the artifact, once, and releases the Checkpoint", async () => {
  let crashes = 0;
  for (let dieAt = 1; ; dieAt++) {
    await starting();
    const [image, other] = [world.push(), world.push({ uid: uidOf(2) })];
    world.checkpoint("one", { uid: uidOf(1), image });
    const run = async (process: ReturnType<World["process"]>) => {
      await process.reconcile("one");
      if (world.get("one")?.metadata.deletionTimestamp === undefined && world.get("one"))
        await world.delete("one");
      await process.reconcile("one");
    };
    const first = world.process(dieAt);
    const survived = await run(first).then(
      () => true,
      () => false,
    );
    if (!survived) await run(world.process());
    expect(world.get("one")).toBeUndefined();
    expect(world.has(image)).toBe(false);
    expect(world.has(other)).toBe(true);
    await world.end();
    if (survived) break;
    crashes++;
  }
  await starting();
  // The finalizer, the manifest, the cluster, the deletion, the release.
  expect(crashes).toBe(5);
});
