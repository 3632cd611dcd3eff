/** Pods that requested a restore and were admitted without an answer of the webhook. */
import { Harness, PODS, running, seconds } from "./harness";

let harness: Harness;
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["nextTick", "queueMicrotask"] });
  harness = new Harness();
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

const REASON =
  "no decision when the pod was created: the restore webhook did not answer or does not serve this namespace, or cedana.ai/restore-from was added later";
const REQUEST = { "cedana.ai/restore-from": "latest" };

/** Stores a pod as the API server does without an answer of the webhook. */
function admit(
  given: { name?: string; labels?: object; annotations?: object; phase?: string; minutes?: number } = {},
) {
  const { name = "web-0", labels, annotations = REQUEST, phase = "Pending", minutes = 0 } = given;
  harness.api.put(PODS, {
    metadata: {
      name,
      namespace: "team-a",
      creationTimestamp: new Date(Date.now() - minutes * 60_000).toISOString(),
      ...(labels ? { labels } : {}),
      annotations,
    },
    spec: { containers: [{ name: "app", image: "app:1" }] },
    status: { phase, ...(phase === "Running" ? { containerStatuses: [{ name: "app", ...running }] } : {}) },
  } as never);
}
const labelOf = (name: string) =>
  harness.api.get(`${PODS}/${name}`)?.metadata.labels?.["cedana.ai/restored-from"];

test.each([
  ["with labels", { app: "web" }],
  ["without labels", undefined],
])("a new pod %s gets the reason as annotation and event", async (_, labels) => {
  await harness.lead();
  admit({ labels });
  await seconds(2);
  const { metadata } = harness.api.get(`${PODS}/web-0`) as { metadata: object };
  expect(metadata).toMatchObject({
    labels: { ...labels, "cedana.ai/restored-from": "none" },
    annotations: { ...REQUEST, "cedana.ai/restore-skipped": REASON },
  });
  expect(harness.reports()).toEqual([`Warning RestoreSkipped: starts fresh: ${REASON}`]);
  expect(await harness.metrics.registry.metrics()).toContain(
    'cedana_restores_total{result="skipped",reason="NoDecision"} 1\n',
  );
});

test("a pod that has started while there was no leader gets the annotation", async () => {
  admit({ phase: "Running", minutes: 60 });
  admit({ name: "recent", phase: "Running", minutes: 1 });
  await harness.lead();
  await seconds(2);
  expect(harness.annotations()).toMatchObject({ "cedana.ai/restore-skipped": REASON });
  // An event of an hour ago would be gone as well.
  expect(harness.events.map(({ regarding }) => regarding.name)).toEqual(["recent"]);
});

test("leaves pods that the webhook answered, and pods without a request", async () => {
  harness.claim();
  admit({ name: "other", annotations: { a: "b" } });
  admit({ name: "none", labels: { "cedana.ai/restored-from": "none" } });
  const { uid } = harness.pod({ name: "restored" }).metadata;
  const writes = harness.api.writes.length;
  await harness.lead();
  await seconds(2);
  expect(harness.api.writes.slice(writes).filter(({ path }) => path.startsWith(PODS))).toEqual([]);
  expect(harness.isPlanned("restored")).toBe(true);
  expect(harness.request(uid)).toBeDefined();
  expect(labelOf("other")).toBeUndefined();
});

test("records it although the pod changes and requests fail meanwhile", async () => {
  admit();
  admit({ name: "started", phase: "Running" });
  let left = 6;
  harness.api.before = ({ method, path }) => {
    if (method !== "PATCH" || !path.startsWith(PODS) || left-- <= 0) return;
    if (left % 2 === 0) throw new Error("cut");
    harness.api.edit(path, ({ metadata }) => (metadata.labels = { change: String(left) }));
  };
  await harness.lead();
  await seconds(60);
  expect([labelOf("web-0"), labelOf("started")]).toEqual(["none", "none"]);
  expect(harness.api.get(`${PODS}/web-0`)?.metadata.labels).toHaveProperty("change");
});
