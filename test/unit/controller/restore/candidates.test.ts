/** What `latest` finds, and what it reads for it: never all Checkpoints of a namespace. */
import * as fc from "fast-check";
import { ApiError, type Json, type Transport } from "../../../../kube";
import { projectAdmittedPod, selectorOf } from "../../../../controller/restore/decision";
import { matchWorkload } from "../../../../controller/restore/decision/pod";
import type { FakeApi } from "../../../../testbed/fake-api";
import { assertProperty } from "../../../support/property";
import { AdmissionHarness, DEPLOYED, IN_TEAM } from "./admission-harness";
import { checkpoint, checkpointJson, podJson } from "./support";

const progressing = {
  conditions: [{ type: "Progressing", status: "True", reason: "CheckpointInProgress", message: "" }],
  completionTime: undefined,
};
const lists = (api: FakeApi) =>
  api.log.filter(({ method, path }) => method === "GET" && path === IN_TEAM).map(({ query }) => query);

test("lists only the Checkpoints of the pod's workload, in one page", async () => {
  const harness = new AdmissionHarness();
  for (let index = 0; index < 300; index++) harness.put({ name: `other-${index}`, pod: `db-${index}` });
  harness.put();
  expect((await harness.create(harness.replica(), {})).from).toBe("before");
  harness.put({ name: "a", pod: "api-6c-old", owner: DEPLOYED.owner, hash: "6c" });
  expect((await harness.create(harness.replica(), DEPLOYED)).from).toBe("a");
  expect(lists(harness.api)).toEqual([
    { fieldSelector: "spec.podRef.name=web-0", resourceVersion: "0" },
    { fieldSelector: "status.owner.name=api-6c", resourceVersion: "0" },
  ]);
});

test("lists nothing for a pod that has no workload", async () => {
  const harness = new AdmissionHarness();
  const daemon = { generateName: "d-", owner: { kind: "DaemonSet", name: "d" } };
  expect((await harness.create(harness.replica(), daemon)).from).toBe("none");
  expect((await harness.create(harness.replica(), { generateName: "x-", owner: undefined })).from).toBe(
    "none",
  );
  expect(lists(harness.api)).toEqual([]);
});

/** A harness whose API server answers reads from its cache as it was when `freeze` was called. */
function withLateCache() {
  let frozen: unknown;
  const send: Transport["send"] = async (method, path, body, options) => {
    const late = options?.query?.["resourceVersion"] === "0" ? frozen : undefined;
    return structuredClone(late) ?? harness.api.send(method, path, body, options);
  };
  const harness = new AdmissionHarness({ send });
  const freeze = async (fieldSelector: string) => {
    frozen = await harness.api.send("GET", IN_TEAM, undefined, { query: { fieldSelector } });
  };
  return { harness, freeze };
}

describe("with an API server whose cache is late", () => {
  test("selects a Checkpoint that has completed meanwhile, and not an older one", async () => {
    const { harness, freeze } = withLateCache();
    harness.put({ name: "old", minutes: 1 });
    harness.put({ name: "new", minutes: 2, status: progressing });
    await freeze("spec.podRef.name=web-0");
    harness.put({ name: "new", minutes: 2 });
    expect((await harness.create(harness.replica(), {})).from).toBe("new");
  });

  test("does not start fresh because of a Checkpoint that the cache does not have", async () => {
    const { harness, freeze } = withLateCache();
    await freeze("spec.podRef.name=web-0");
    harness.put();
    expect((await harness.create(harness.replica(), {})).from).toBe("before");
  });

  test("does not start fresh because of a claim or failure that was removed", async () => {
    const { harness, freeze } = withLateCache();
    harness.put({ status: { restore: { state: "Failed", message: "no", time: "2026-01-01T00:00:00Z" } } });
    await freeze("spec.podRef.name=web-0");
    harness.put();
    expect((await harness.create(harness.replica(), {})).from).toBe("before");
  });

  test("restores nothing from a Checkpoint that was deleted or claimed", async () => {
    const { harness, freeze } = withLateCache();
    harness.put({ name: "gone", minutes: 3 });
    harness.put({ name: "taken", pod: "api-6c-x", owner: DEPLOYED.owner, hash: "6c" });
    await freeze("status.owner.name=api-6c");
    harness.put({
      name: "taken",
      pod: "api-6c-x",
      owner: DEPLOYED.owner,
      hash: "6c",
      status: { restore: { state: "Restored", podName: "api-6c-y", time: "2026-01-01T00:00:00Z" } },
    });
    expect((await harness.create(harness.replica(), DEPLOYED)).from).toBe("none");
    await freeze("spec.podRef.name=web-0");
    harness.api.remove(`${IN_TEAM}/gone`);
    expect((await harness.create(harness.replica(), {})).from).toBe("none");
  });

  test("reads many Checkpoints in progress by one list", async () => {
    const { harness, freeze } = withLateCache();
    for (let index = 0; index < 20; index++) harness.put({ name: `waits-${index}`, status: progressing });
    await freeze("spec.podRef.name=web-0");
    harness.put({ name: "waits-7" });
    expect((await harness.create(harness.replica(), {})).from).toBe("waits-7");
    expect(lists(harness.api).at(-1)).toEqual({ fieldSelector: "spec.podRef.name=web-0" });
    const reads = harness.api.log.filter(({ path }) => path.startsWith(`${IN_TEAM}/waits`));
    expect(reads.filter(({ method }) => method === "GET")).toEqual([]);
  });
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
