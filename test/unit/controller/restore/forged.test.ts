/**
 * Pods whose label and records a user has written, which is possible while the webhook does not answer: the controller restores
 * none of them, because the webhook has claimed no Checkpoint for them.
 */
import { CRIU, Harness, PODS, seconds } from "./harness";

let harness: Harness;
beforeEach(async () => {
  jest.useFakeTimers({ now: Date.parse("2026-11-21T15:00:00Z") });
  harness = new Harness(CRIU);
  await harness.lead(["team-a", "team-b"]);
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

const shared = { "cedana.ai/restore-shared": "true" };

test("a pod with the claim of its admission is restored", async () => {
  harness.claim();
  const { uid } = harness.pod().metadata;
  await seconds(2);
  expect(harness.request(uid)).toBeDefined();
  expect(harness.restore).toMatchObject({ state: "Claimed", podUID: uid });
});

test("a pod that names the Checkpoint and shares it is restored", async () => {
  const { uid } = harness.pod({ annotations: { ...shared, "cedana.ai/restore-from": "before" } }).metadata;
  await seconds(2);
  expect(harness.request(uid)).toBeDefined();
});

describe.each<[string, Parameters<Harness["pod"]>[0], (() => void)?]>([
  ["whose Checkpoint is not claimed", {}],
  ["with another claim", { claim: "c-2" }, () => harness.claim("c-1", "web-0")],
  [
    "without a claim",
    { annotations: { "cedana.ai/restore-claim": "" } },
    () => harness.claim("c-1", "web-0"),
  ],
  ["that requests another Checkpoint", { annotations: { ...shared, "cedana.ai/restore-from": "mine" } }],
  ["that requests no Checkpoint any more", { annotations: { ...shared, "cedana.ai/restore-from": "" } }],
  [
    "with the claim of another Checkpoint",
    { annotations: { "cedana.ai/restore-from": "mine" } },
    () => harness.claim(),
  ],
  ["of another namespace", { namespace: "team-b", annotations: shared }],
  ["of another namespace, with the claim", { namespace: "team-b" }, () => harness.claim()],
])("a pod %s", (_, given, prepare) => {
  test("is not restored, and has the reason", async () => {
    prepare?.();
    const { uid } = harness.pod(given).metadata;
    await seconds(5);
    expect(harness.request(uid)).toBeUndefined();
    expect(harness.restore?.["podUID"]).not.toBe(uid);
    expect(harness.reports()).toEqual([expect.stringMatching(/RestoreFellBack|RestoreClaimLost/)]);
    const { namespace = "team-a" } = given ?? {};
    const pod = harness.api.get(`${PODS.replace("team-a", namespace)}/web-0`);
    expect(pod?.metadata["annotations"]).not.toHaveProperty(["cedana.ai/restore-plan"]);
    expect(pod?.metadata["annotations"]).toHaveProperty(["cedana.ai/restore-failed"]);
  });
});
