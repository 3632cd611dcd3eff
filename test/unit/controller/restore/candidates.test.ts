/** What `latest` finds, and what it reads for it: never all Checkpoints of a namespace. */
import * as fc from "fast-check";
import { ApiError, type Json } from "../../../../kube";
import { projectAdmittedPod, selectorOf } from "../../../../controller/restore/decision";
import { matchWorkload } from "../../../../controller/restore/decision/pod";
import type { FakeApi } from "../../../../testbed/fake-api";
import { assertProperty } from "../../../support/property";
import { AdmissionHarness, DEPLOYED, IN_TEAM } from "./admission-harness";
import { checkpoint, checkpointJson, podJson } from "./support";

const PODS = "/api/v1/namespaces/team-a/pods";
const progressing = {
  conditions: [{ type: "Progressing", status: "True", reason: "CheckpointInProgress", message: "" }],
  completionTime: undefined,
};
const lists = (api: FakeApi) =>
  api.log.filter(({ method, path }) => method === "GET" && path === IN_TEAM).map(({ query }) => query);

let stop: AbortController;
beforeEach(() => (stop = new AbortController()));
afterEach(() => stop.abort());

/** A harness whose replicas follow the API server. */
async function following(...given: readonly Parameters<AdmissionHarness["put"]>[0][]) {
  const harness = new AdmissionHarness();
  for (const one of given) harness.put(one);
  await harness.follow(stop.signal);
  harness.api.log.length = 0;
  return harness;
}
/** Makes the watch of Checkpoints half-open. */
const stall = ({ api }: AdmissionHarness) => {
  const watches = api.watches.filter(({ target }) => target.collection.endsWith("/checkpoints"));
  expect(watches).toHaveLength(1);
  for (const watch of watches) watch.stall();
};

test("restores from the index of the cache, and lists nothing", async () => {
  const others = Array.from({ length: 300 }, (_, index) => ({ name: `other-${index}`, pod: `db-${index}` }));
  const ofDeployment = { name: "a", pod: "api-6c-old", owner: DEPLOYED.owner, hash: "6c" };
  const harness = await following(...others, {}, { name: "old", minutes: -1 }, ofDeployment);
  expect((await harness.create(harness.replica(), {})).from).toBe("before");
  expect((await harness.create(harness.replica(), DEPLOYED)).from).toBe("a");
  const requests = harness.api.log.filter(({ method }) => method !== "WATCH");
  expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    `GET ${PODS}/web-0`,
    `PATCH ${IN_TEAM}/before/status`,
    `POST ${PODS}`,
    `GET ${PODS}/api-6c-old`,
    `PATCH ${IN_TEAM}/a/status`,
    `POST ${PODS}`,
  ]);
});

test("a decision not to restore, or without a claim, is made on the newest Checkpoints of the workload alone", async () => {
  const harness = await following({ pod: "db-0" });
  expect((await harness.create(harness.replica(), {})).from).toBe("none");
  expect((await harness.create(harness.replica(), DEPLOYED)).from).toBe("none");
  const shared = { name: "db-0", annotations: { "cedana.ai/restore-shared": "true" } };
  expect((await harness.create(harness.replica(), shared, { dryRun: true })).from).toBe("before");
  expect((await harness.create(harness.replica(), { name: "db-0" }, { dryRun: true })).from).toBe("before");
  expect(lists(harness.api)).toEqual([
    { fieldSelector: "spec.podRef.name=web-0" },
    { fieldSelector: "status.owner.name=api-6c" },
    { fieldSelector: "spec.podRef.name=db-0" },
    { fieldSelector: "spec.podRef.name=db-0" },
  ]);
});

test("lists nothing for a pod that has no workload", async () => {
  const harness = await following();
  const daemon = { generateName: "d-", owner: { kind: "DaemonSet", name: "d" } };
  expect((await harness.create(harness.replica(), daemon)).from).toBe("none");
  const unnamed = { generateName: "x-", owner: undefined };
  expect((await harness.create(harness.replica(), unnamed)).from).toBe("none");
  expect(lists(harness.api)).toEqual([]);
});

describe("with a watch that is late", () => {
  test.each([
    ["has completed meanwhile", { status: progressing }],
    ["is new", undefined],
  ])("does not start fresh if the Checkpoint %s", async (_, before) => {
    const harness = await following(...(before ? [before] : []));
    stall(harness);
    harness.put();
    expect((await harness.create(harness.replica(), {})).from).toBe("before");
  });

  test("does not start fresh because of a failure that was removed", async () => {
    const failed = { state: "Failed", message: "no", time: "2026-01-01T00:00:00Z" };
    const harness = await following({ status: { restore: failed } });
    stall(harness);
    harness.put();
    expect((await harness.create(harness.replica(), {})).from).toBe("before");
  });

  test.each([
    ["has completed meanwhile", { name: "new", minutes: 2, status: progressing }],
    ["is new", undefined],
  ])("restores no older Checkpoint if one %s", async (_, before) => {
    const old = { name: "old", minutes: 1 };
    const harness = await following(old, ...(before ? [before] : []));
    stall(harness);
    harness.put({ name: "new", minutes: 2 });
    const { from, uid } = await harness.create(harness.replica(), {});
    expect(from).toBe("new");
    expect(harness.restoreOf("new")).toMatchObject({ claim: uid });
    expect(harness.restoreOf("old")).toBeUndefined();
  });

  test("restores nothing from a Checkpoint that was deleted or restored", async () => {
    const taken = { name: "taken", pod: "api-6c-x", owner: DEPLOYED.owner, hash: "6c" };
    const harness = await following({ name: "gone" }, taken);
    stall(harness);
    const restore = { state: "Restored", podName: "api-6c-y", time: "2026-01-01T00:00:00Z" };
    harness.put({ ...taken, status: { restore } });
    harness.api.remove(`${IN_TEAM}/gone`);
    expect((await harness.create(harness.replica(), DEPLOYED)).from).toBe("none");
    expect((await harness.create(harness.replica(), {})).from).toBe("none");
  });
});

test("restores the newest Checkpoint if it completes while an older one is claimed", async () => {
  const harness = await following({ name: "old", minutes: 1 });
  harness.api.before = ({ method }) => {
    if (method !== "PATCH") return;
    delete harness.api.before;
    harness.put({ name: "new", minutes: 2 });
  };
  expect((await harness.create(harness.replica(), {})).from).toBe("new");
  expect(harness.restoreOf("old")).toBeUndefined();
});

test("two replicas assign each Checkpoint once, with caches of their own and late watches", async () => {
  const harness = await following();
  for (let index = 0; index < 12; index++) {
    harness.put({
      name: `a-${index}`,
      pod: `api-6c-${index}`,
      minutes: index,
      owner: DEPLOYED.owner,
      hash: "6c",
    });
    if (index === 5) await harness.isCached("a-5");
    if (index === 8) stall(harness);
  }
  const other = harness.beside();
  await other.follow(stop.signal);
  const replicas = [harness.replica(), other.replica()] as const;
  const created = await Promise.all(
    Array.from({ length: 14 }, (_, index) => harness.create(replicas[index % 2 === 0 ? 0 : 1], DEPLOYED)),
  );
  const restored = created.map(({ from }) => from).filter((from) => from !== "none");
  expect(restored).toHaveLength(12);
  expect(new Set(restored)).toEqual(new Set(Array.from({ length: 12 }, (_, index) => `a-${index}`)));
});

test("lists all Checkpoints if the CRD is of an earlier version, without asking for the selector each time", async () => {
  const harness = new AdmissionHarness();
  harness.put();
  harness.put({ name: "one", pod: "web-1" });
  harness.api.before = ({ query }) => {
    if (query["fieldSelector"] !== undefined) throw new ApiError(400, "field label not supported");
  };
  const replica = harness.replica();
  expect((await harness.create(replica, {})).from).toBe("before");
  expect((await harness.create(replica, { name: "web-1" })).from).toBe("one");
  expect(lists(harness.api).map(({ fieldSelector = "all" }) => fieldSelector)).toEqual([
    "spec.podRef.name=web-0",
    "all",
    "all",
  ]);
});

test("the selector selects every Checkpoint of the pod's workload", () => {
  const kind = fc.constantFrom("StatefulSet", "ReplicaSet", "Job", "DaemonSet", "Custom");
  const named = fc.record({ kind, name: fc.constantFrom("web-6c", "api-6c") });
  const owned = named.map((one) => ({ ...one, uid: `uid-of-${one.name}` }));
  const owner = fc.option(owned, { nil: undefined });
  const pod = fc.constantFrom("web-0", "web-6c-12345", "api");
  assertProperty(
    fc.property(owner, owner, pod, fc.option(pod), (ofPod, ofSource, source, podName) => {
      const admitted = projectAdmittedPod(
        podJson({
          ...(podName === null ? { generateName: "web-6c-" } : { name: podName }),
          owner: ofPod,
          labels: { "pod-template-hash": "6c", "controller-revision-hash": "6c" },
        }) as unknown as Json,
      );
      const given = { pod: source, owner: ofSource, hash: "6c" };
      if (matchWorkload(admitted, checkpoint(given)) !== "same") return;
      const { spec, status } = checkpointJson(given) as {
        spec: { podRef: { name: string } };
        status: { owner?: { name: string } };
      };
      expect([`spec.podRef.name=${spec.podRef.name}`, `status.owner.name=${status.owner?.name}`]).toContain(
        selectorOf(admitted),
      );
    }),
    500,
  );
});
