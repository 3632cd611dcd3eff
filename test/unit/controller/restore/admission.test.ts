/** Admission and claims, on an API server in memory. */
import { applyPatch, type Operation } from "fast-json-patch";
import { SKIP_CAUSES } from "../../../../controller/restore/reasons";
import type { Admitter } from "../../../../controller/restore/admitter";
import { ApiError, type AdmissionResponse, type Json } from "../../../../kube";
import { seeded, SEED, SOAK } from "../../../../testbed/random";
import { AdmissionHarness as Harness, CREATION, DEPLOYED, IN_TEAM } from "./admission-harness";
import { podJson, saved } from "./support";

const PODS = "/api/v1/namespaces/team-a/pods";

/** Random orders of requests that are checked. */
const SCHEDULES = SOAK ? 3000 : 30;

const message = (verdict: AdmissionResponse) => (verdict.allowed ? "" : verdict.message);

test("claims the Checkpoint of a StatefulSet's pod", async () => {
  const harness = new Harness();
  harness.put();
  const { from, uid, verdict } = await harness.create(harness.replica(), {});
  expect(from).toBe("before");
  expect(verdict).toMatchObject({ allowed: true, warnings: [] });
  expect(harness.restoreOf("before")).toMatchObject({ state: "Claimed", claim: uid, podName: "web-0" });
});

test("restores one of two pods of a Deployment with one Checkpoint, and reports why the other starts fresh", async () => {
  const harness = new Harness();
  harness.put({ name: "a", pod: "api-6c-old", owner: DEPLOYED.owner, hash: "6c" });
  const replicas = [harness.replica(), harness.replica()];
  const responses = await Promise.all(replicas.map((one) => harness.create(one, DEPLOYED)));
  expect(responses.map(({ from }) => from)).toEqual(expect.arrayContaining(["a", "none"]));
  const fresh = responses.find(({ from }) => from === "none")?.verdict;
  expect(fresh).toMatchObject({
    warnings: [
      expect.stringMatching(/^starts fresh: Checkpoint a: pod api-6c-\w+ is being restored from it/),
    ],
  });
});

test("logs who restores what, and counts each decision by its reason", async () => {
  const harness = new Harness();
  harness.put();
  const replica = harness.replica();
  const { uid } = await harness.create(replica, {});
  expect(harness.lines.at(-1)).toMatchObject({
    msg: "admission",
    user: "dev",
    namespace: "team-a",
    pod: "web-0",
    owner: "StatefulSet/web",
    claim: uid,
    result: "restore",
    cause: "None",
    checkpoint: "before",
    checkpointUID: harness.api.get(`${IN_TEAM}/before`)?.metadata.uid,
  });
  const named = (from: string, more = {}) => ({
    name: "copy",
    owner: undefined,
    annotations: { "cedana.ai/restore-from": from, ...more },
  });
  await harness.create(replica, named("missing"), { lost: true });
  expect(harness.lines.at(-1)).toMatchObject({
    result: "fresh",
    cause: "NoCheckpoint",
    detail: expect.stringMatching("missing"),
  });
  await harness.create(replica, named("missing", { "cedana.ai/restore-fallback": "stop" }), { lost: true });
  await harness.create(replica, named("latest", { "cedana.ai/restore-fallback": "no" }), { lost: true });
  await harness.create(replica, named("before"), { lost: true });
  harness.put({ name: "failed", status: { restore: { state: "Failed", message: "CRIU failed" } } });
  await harness.create(replica, named("failed"), { lost: true });
  harness.put({ name: "running", status: { conditions: [] } });
  await harness.create(replica, named("running"), { lost: true });
  harness.put({ name: "other", containers: [saved("else")] });
  await harness.create(replica, named("other"), { lost: true });
  harness.put({ name: "template", pod: "db-0", owner: { kind: "StatefulSet", name: "db" }, hash: "rev-0" });
  await harness.create(replica, { name: "db-0", owner: { kind: "StatefulSet", name: "db" } }, { lost: true });
  const admissions = Object.entries(await harness.admissions());
  // Those that did not occur start at 0.
  expect(admissions).toHaveLength(4 + 2 * (SKIP_CAUSES.length - 1));
  expect(Object.fromEntries(admissions.filter(([, count]) => count > 0))).toEqual({
    "restore None": 1,
    "fresh NoCheckpoint": 1,
    "deny NoCheckpoint": 1,
    "invalid InvalidRequest": 1,
    "fresh InUse": 1,
    "fresh FailedBefore": 1,
    "fresh NotCompleted": 1,
    "fresh DoesNotFit": 1,
    "fresh OtherTemplate": 1,
  });
});

test("does not restore from a Checkpoint of a running pod unless it is named", async () => {
  const harness = new Harness();
  const source = harness.api.put(PODS, { metadata: { name: "web-0", namespace: "team-a" } });
  harness.put({ podUID: source.metadata.uid });
  expect((await harness.create(harness.replica(), { name: "web-0" }, { lost: true })).from).toBe("none");
  const named = { name: "copy", owner: undefined, annotations: { "cedana.ai/restore-from": "before" } };
  const { from, verdict } = await harness.create(harness.replica(), named);
  expect(from).toBe("before");
  expect(verdict).toMatchObject({
    warnings: [expect.stringMatching("is still running: both resume from the same state")],
  });
});

test("reads the source pod while it claims, if the pod takes its name, and releases the claim if it runs", async () => {
  const harness = new Harness();
  harness.put();
  const { api } = harness;
  let arrived = () => {};
  const claim = new Promise<void>((resolve) => (arrived = resolve));
  api.before = ({ method, path }) => {
    if (method === "PATCH") arrived();
    return path === `${PODS}/web-0` ? claim : undefined;
  };
  expect((await harness.create(harness.replica(), {})).from).toBe("before");
  api.before = undefined;

  const source = api.put(PODS, { metadata: { name: "web-1", namespace: "team-a" } });
  harness.put({ name: "second", pod: "web-1", podUID: source.metadata.uid });
  const requests: Record<string, string>[] = [{}, { "cedana.ai/restore-from": "second" }];
  for (const annotations of requests) {
    const { from, verdict } = await harness.create(
      harness.replica(),
      { name: "web-1", annotations },
      { lost: true },
    );
    const isNamed = "cedana.ai/restore-from" in annotations;
    expect(from).toBe(isNamed ? "second" : "none");
    expect(harness.restoreOf("second")?.state).toBe(isNamed ? "Claimed" : undefined);
    expect(verdict).toMatchObject({ warnings: [expect.stringMatching("web-1 is still running")] });
  }
});

test("claims nothing if the source pod cannot be read", async () => {
  const harness = new Harness();
  harness.put();
  harness.api.before = ({ path }) => {
    if (path.startsWith(`${PODS}/`)) throw new ApiError(500, "no pods");
  };
  await expect(harness.create(harness.replica(), {})).rejects.toThrow("no pods");
  expect(harness.restoreOf("before")).toBeUndefined();
});

test("claims nothing in a dry run or for shared Checkpoints", async () => {
  const harness = new Harness();
  harness.put();
  expect((await harness.create(harness.replica(), {}, { dryRun: true })).from).toBe("before");
  const shared = { annotations: { "cedana.ai/restore-shared": "true" } };
  expect((await harness.create(harness.replica(), { ...shared, name: "web-0" })).from).toBe("before");
  expect(harness.restoreOf("before")).toBeUndefined();
  expect(harness.api.writes.filter(({ method }) => method === "PATCH")).toEqual([]);
});

test("leaves a pod that cannot be restored with fallback stop to the policy, with the reason and without the label", async () => {
  const harness = new Harness();
  const stop = { annotations: { "cedana.ai/restore-fallback": "stop" } };
  const { verdict, stored } = await harness.create(harness.replica(), stop);
  expect(verdict).toMatchObject({ allowed: true, warnings: [] });
  expect(stored?.metadata.labels).not.toHaveProperty(["cedana.ai/restored-from"]);
  expect(stored?.metadata.annotations).toMatchObject({
    "cedana.ai/restore-skipped": "no completed Checkpoint of StatefulSet web, pod web-0 exists",
  });
});

test("rejects a pod with invalid annotations", async () => {
  const harness = new Harness();
  const wrong = { annotations: { "cedana.ai/restore-shared": "yes" } };
  expect((await harness.create(harness.replica(), wrong)).verdict).toMatchObject({
    allowed: false,
    code: 403,
  });
});

test("fails if the API server is unavailable", async () => {
  const harness = new Harness();
  harness.put();
  harness.api.before = ({ method }) => {
    if (method === "PATCH") throw new Error("cut");
  };
  await expect(harness.create(harness.replica(), {})).rejects.toThrow("cut");
});

describe("a claim without a pod", () => {
  beforeEach(() => jest.useFakeTimers({ doNotFake: ["nextTick", "queueMicrotask"] }));
  afterEach(() => jest.useRealTimers());

  test("makes a pod without a name wait and retry, instead of a fresh start", async () => {
    const harness = new Harness();
    harness.put({ name: "a", pod: "api-6c-old", owner: DEPLOYED.owner, hash: "6c" });
    await harness.create(harness.replica(), DEPLOYED, { lost: true });
    const second = harness.create(harness.replica(), DEPLOYED);
    await jest.advanceTimersByTimeAsync(3000);
    const { verdict } = await second;
    expect(verdict).toMatchObject({ allowed: false, code: 409 });
    expect(message(verdict)).toMatch(/claimed for another pod, which is being created; try again$/);

    const third = harness.create(harness.replica(), DEPLOYED);
    await jest.advanceTimersByTimeAsync(500);
    // As the leader does later.
    harness.api.edit(`${IN_TEAM}/a`, (object) => delete (object["status"] as { restore?: unknown }).restore);
    await jest.advanceTimersByTimeAsync(500);
    expect((await third).from).toBe("a");
  });

  test("is taken over by the pod of the same name", async () => {
    const harness = new Harness();
    harness.put();
    await harness.create(harness.replica(), {}, { lost: true });
    const again = await harness.create(harness.replica(), {});
    expect(again.from).toBe("before");
    expect(harness.restoreOf("before")).toMatchObject({ claim: again.uid });
  });
});

test("assigns each Checkpoint to one pod when two replicas admit pods concurrently", async () => {
  for (let seed = SEED; seed < SEED + SCHEDULES; seed++) {
    const next = seeded(seed);
    const harness = new Harness();
    const names = ["a", "b", "c"].slice(0, 1 + Math.floor(next() * 3));
    for (const [index, name] of names.entries())
      harness.put({ name, pod: `api-6c-${name}`, minutes: index, owner: DEPLOYED.owner, hash: "6c" });
    // Requests run in any order: a Checkpoint may have changed before it is claimed.
    harness.api.before = async () => {
      for (let delays = Math.floor(next() * 6); delays > 0; delays--) await Promise.resolve();
    };
    const replicas = [harness.replica(), harness.replica()];
    const count = 1 + Math.floor(next() * 6);
    const responses = await Promise.all(
      Array.from({ length: count }, () =>
        harness.create(replicas[next() < 0.5 ? 0 : 1] as Admitter, DEPLOYED),
      ),
    );
    const restored = responses.map(({ from }) => from).filter((from) => from !== "none");
    expect({ seed, twice: restored.length - new Set(restored).size }).toEqual({ seed, twice: 0 });
    expect({ seed, restored: restored.length }).toEqual({ seed, restored: Math.min(count, names.length) });
    const restoring = responses.filter(({ from }) => from !== "none");
    expect(restoring.map(({ from = "" }) => harness.restoreOf(from)?.claim)).toEqual(
      restoring.map(({ uid }) => uid),
    );
  }
});

test("keeps its decision when the API server calls again after another webhook changed the pod", async () => {
  const harness = new Harness();
  harness.put({
    name: "a",
    pod: "api-6c-old",
    owner: DEPLOYED.owner,
    hash: "6c",
    containers: [saved("app"), saved("proxy")],
  });
  harness.put({ name: "b", pod: "api-6c-older", owner: DEPLOYED.owner, hash: "6c" });
  const pod = podJson(DEPLOYED);
  const admit = async (uid: string, object: object) => {
    const verdict = await harness
      .replica()
      .admit({ ...CREATION, uid, object: object as unknown as Json, dryRun: false });
    const patch = (verdict.allowed ? verdict.patch : []) as Operation[];
    return applyPatch(structuredClone(object), patch).newDocument as typeof pod;
  };
  const first = await admit("r-1", pod);
  expect(first.metadata.annotations).toMatchObject({ "cedana.ai/restore-checkpoint": "b" });
  const injected = {
    ...first,
    spec: { ...first.spec, containers: [...first.spec.containers, { name: "extra", image: "extra:1" }] },
  };
  const second = await admit("r-2", injected);
  expect(second.metadata.annotations).toMatchObject({
    "cedana.ai/restore-checkpoint": "b",
    "cedana.ai/restore-claim": "r-2",
    "cedana.ai/restore-containers": "app",
  });
  expect(second.spec).toEqual(injected.spec);
  expect(harness.restoreOf("b")).toMatchObject({ state: "Claimed", claim: "r-2" });
  expect(harness.restoreOf("a")).toBeUndefined();
});

test("restores a container that another webhook has added", async () => {
  const harness = new Harness();
  harness.put({
    name: "a",
    pod: "api-6c-old",
    owner: DEPLOYED.owner,
    hash: "6c",
    containers: [saved("app"), saved("proxy")],
  });
  const { verdict } = await harness.create(harness.replica(), DEPLOYED, { lost: true });
  expect(verdict).toMatchObject({ warnings: ["starts fresh: Checkpoint a: the pod has no container proxy"] });
  const containers = ["app", "proxy"].map((name) => ({ name, image: `${name}:1` }));
  expect((await harness.create(harness.replica(), { ...DEPLOYED, containers })).from).toBe("a");
});

test.each([{ operation: "UPDATE" }, { resource: "services" }, { namespace: undefined }])(
  "rejects a review that is not of the creation of a pod: %j",
  async (change) => {
    const object = podJson({}) as unknown as Json;
    const request = { ...CREATION, uid: "u", object, dryRun: false, ...change };
    await expect(new Harness().replica().admit(request)).rejects.toThrow("not the creation of a pod");
  },
);

test.each([
  ["fresh", "NamespaceDenied"],
  ["stop", "NamespaceDenied"],
])("with fallback %s, a pod of a namespace that cannot be read gets the reason", async (fallback, cause) => {
  const harness = new Harness();
  harness.put();
  harness.api.before = ({ path }) => {
    if (path.startsWith(IN_TEAM)) throw new ApiError(403, "checkpoints is forbidden");
  };
  const stop = new AbortController();
  await harness.follow(stop.signal);
  const annotations = { "cedana.ai/restore-from": "latest", "cedana.ai/restore-fallback": fallback };
  const { stored } = await harness.create(harness.replica(), { annotations });
  stop.abort();
  const reason = "the controller cannot read pods or Checkpoints of the namespace: checkpoints is forbidden";
  expect(Object.values(stored?.metadata.annotations ?? {})).toContain(reason);
  expect(await harness.admissions()).toMatchObject({
    [`${fallback === "stop" ? "deny" : "fresh"} ${cause}`]: 1,
  });
});
