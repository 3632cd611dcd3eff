/** A later call of the webhook for the same pod, after another webhook changed it, or after the Checkpoint has changed. */
import { applyPatch, type Operation } from "fast-json-patch";
import type { Json } from "../../../../kube";
import { AdmissionHarness, CREATION, IN_TEAM } from "./admission-harness";
import { podJson, saved } from "./support";

type Pod = ReturnType<typeof podJson> & { spec: Record<string, unknown> };

const OWNED = { nodeSelector: { disk: "ssd" }, priority: 1 };
const RECORDS = /^cedana\.ai\/restore-(plan|checkpoint|claim|containers|placement|failed)$/;
const PODS = "/api/v1/namespaces/team-a/pods";

async function admit(harness: AdmissionHarness, uid: string, object: Pod, dryRun = false): Promise<Pod> {
  const verdict = await harness
    .replica()
    .admit({ ...CREATION, uid, object: object as unknown as Json, dryRun });
  if (!verdict.allowed) throw new Error(verdict.message);
  return applyPatch(structuredClone(object), verdict.patch as Operation[], true).newDocument;
}

/** As another webhook, or another client. */
type Change = (pod: Pod, harness: AdmissionHarness) => void;
const inStatus = (status: object): Change => {
  return (_, harness) => harness.put({ status: { restore: harness.restoreOf("before"), ...status } });
};
const affinity = {
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [
        { matchExpressions: [{ key: "kubernetes.io/arch", operator: "In", values: ["arm64"] }] },
      ],
    },
  },
};
const restored = (state: string) =>
  inStatus({ restore: { state, podName: "x", time: "2026-01-01T00:00:00Z" } });

const REASONS: readonly [string, Change, RegExp][] = [
  [
    "the image was replaced",
    ({ spec }) => (spec.containers = [{ name: "app", image: "mirror/app:1" }]),
    /has image/,
  ],
  [
    "the container was renamed",
    ({ spec }) => (spec.containers = [{ name: "b", image: "app:1" }]),
    /no container app/,
  ],
  ["a RuntimeClass was set", ({ spec }) => (spec["runtimeClassName"] = "gvisor"), /has RuntimeClass gvisor/],
  [
    "the nodeSelector was changed",
    ({ spec }) =>
      (spec["nodeSelector"] = { ...(spec["nodeSelector"] as object), "kubernetes.io/arch": "arm64" }),
    /nodeSelector has kubernetes.io\/arch=arm64/,
  ],
  ["a node affinity was added", ({ spec }) => (spec["affinity"] = affinity), /node affinity excludes/],
  [
    "another Checkpoint was named",
    ({ metadata }) => (metadata.annotations["cedana.ai/restore-from"] = "gone"),
    /Checkpoint gone does not exist/,
  ],
  [
    "the owner was changed",
    ({ metadata }) => (metadata.labels["controller-revision-hash"] = "rev-2"),
    /another pod template/,
  ],
  ["the Checkpoint was deleted", (_, { api }) => api.remove(`${IN_TEAM}/before`), /no completed Checkpoint/],
  [
    "the Checkpoint is being deleted",
    (_, { api }) =>
      void api.edit(`${IN_TEAM}/before`, ({ metadata }) =>
        Object.assign(metadata, { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["x"] }),
      ),
    /no completed Checkpoint/,
  ],
  ["the Checkpoint is not completed", inStatus({ conditions: [] }), /no completed Checkpoint/],
  ["its engine is another one", inStatus({ engine: "other" }), /its engine is other/],
  ["its restore failed", restored("Failed"), /its restore failed/],
  ["another pod was restored from it", restored("Restored"), /was restored from it/],
  ["another pod may have been restored from it", restored("Unknown"), /may have been restored/],
  [
    "its source pod runs",
    (_, harness) => {
      const source = { metadata: { name: "web-0", namespace: "team-a" } };
      const podUID = harness.api.put(PODS, source).metadata.uid;
      harness.put({ podUID, status: { restore: harness.restoreOf("before") } });
    },
    /still running/,
  ],
  [
    "it has no image",
    inStatus({ containers: [saved("app", { location: undefined })] }),
    /checkpoint of container app is unknown/,
  ],
  ["it has no container", inStatus({ containers: [] }), /no completed container/],
  [
    "there is no RuntimeClass for its architecture",
    inStatus({ containers: [saved("app", { architecture: "riscv64" })] }),
    /no RuntimeClass for architecture riscv64/,
  ],
];

describe.each(["fresh", "stop"])("with fallback %s, a later call undoes a restore because", (fallback) => {
  test.each(REASONS)("%s", async (_, change, reason) => {
    const harness = new AdmissionHarness();
    harness.put();
    const annotations = { "cedana.ai/restore-fallback": fallback };
    const given = podJson({ spec: OWNED, annotations });
    const first = await admit(harness, "r-1", given);
    expect(first.spec["runtimeClassName"]).toBe("cedana-criu-amd64");
    expect(harness.restoreOf("before")).toMatchObject({ claim: "r-1" });

    change(first, harness);
    const second = await admit(harness, "r-2", first);
    const expected = structuredClone(given);
    const other = new AdmissionHarness();
    other.put();
    change(expected, other);
    expect(second.spec).toEqual(expected.spec);
    const { labels } = second.metadata;
    const records: Record<string, string> = second.metadata.annotations;
    expect(Object.keys(records).filter((key) => RECORDS.test(key))).toEqual([]);
    expect(records["cedana.ai/restore-skipped"]).toMatch(reason);
    expect(labels).toEqual(
      fallback === "fresh"
        ? { ...expected.metadata.labels, "cedana.ai/restored-from": "none" }
        : expected.metadata.labels,
    );
    const isDeleted = harness.api.get(`${IN_TEAM}/before`) === undefined;
    expect(isDeleted ? undefined : harness.restoreOf("before")?.claim).toBeUndefined();
  });
});

test("a later call restores from another Checkpoint, with the RuntimeClass and the nodes of its architecture", async () => {
  const harness = new AdmissionHarness();
  harness.put({ containers: [saved("app"), saved("proxy")] });
  harness.put({
    name: "older",
    minutes: -5,
    podUID: "earlier",
    containers: [saved("app", { architecture: "arm64" })],
  });
  const given = podJson({ spec: OWNED });
  const first = await admit(harness, "r-1", given);
  expect(first.spec).toMatchObject({
    runtimeClassName: "cedana-criu-arm64",
    nodeSelector: { "kubernetes.io/arch": "arm64" },
  });
  (first.spec.containers as object[]).push({ name: "proxy", image: "proxy:1" });
  const second = await admit(harness, "r-2", first);
  expect(second.spec).toMatchObject({
    runtimeClassName: "cedana-criu-amd64",
    nodeSelector: { disk: "ssd", "kubernetes.io/arch": "amd64" },
  });
  expect(harness.restoreOf("older")).toBeUndefined();
  expect(harness.restoreOf("before")).toMatchObject({ claim: "r-2" });
});

test("a later call of a dry run releases nothing", async () => {
  const harness = new AdmissionHarness();
  harness.put();
  const first = await admit(harness, "r-1", podJson());
  first.spec.containers = [{ name: "app", image: "other:1" }];
  await admit(harness, "r-2", first, true);
  expect(harness.restoreOf("before")).toMatchObject({ claim: "r-1" });
});

test("does not take a RuntimeClass or a label from a pod that admission has not added", async () => {
  const harness = new AdmissionHarness();
  const spec = { runtimeClassName: "gvisor", nodeSelector: { tenant: "a", "kubernetes.io/arch": "amd64" } };
  const forged = JSON.stringify({ runtimeClass: "gvisor", nodeSelector: { tenant: "a" } });
  for (const record of [forged, "{", "[]", '{"nodeSelector":7}']) {
    const annotations = { "cedana.ai/restore-placement": record };
    const pod = await admit(harness, "r-1", podJson({ spec, annotations }));
    expect(pod.spec).toMatchObject(spec);
    expect(pod.metadata.annotations).not.toHaveProperty(["cedana.ai/restore-placement"]);
  }
});
