/** Decisions on pods whose Checkpoints are restored by a plan on the node, and the patches of the pods. */
import { applyPatch, type Operation } from "fast-json-patch";
import { mutation } from "../../../../controller/restore/decision";
import type { Json } from "../../../../kube";
import { byPlan, checkpoint, CLASSES, decided, digest, NODES, podJson, saved, type Pod } from "./support";

const of = (architecture?: string, more: object = {}) =>
  checkpoint({ containers: [saved("app", { architecture, ...more }), saved("log", { architecture })] });
const TWO: Pod = {
  annotations: { "cedana.ai/restore-from": "before" },
  containers: [
    { name: "app", image: "app:1", imagePullPolicy: "Always" },
    { name: "log", image: "log:1" },
    { name: "late", image: "late:1" },
  ],
};

const DIGEST = `sha256:${"e".repeat(64)}`;

/** Returns the pod with another image of its container app. */
function withImage(name: string): Pod {
  return {
    ...TWO,
    containers: [
      { name: "app", image: name },
      { name: "log", image: "log:1" },
    ],
  };
}

/** Returns the decision, or why the pod starts fresh. */
function decision(pod: Pod, saved: ReturnType<typeof of>, classes: Record<string, string> = CLASSES) {
  return decided(pod, [saved], [], byPlan(classes));
}

function why(pod: Pod, saved: ReturnType<typeof of>, classes: Record<string, string> = CLASSES): string {
  const result = decision(pod, saved, classes);
  return result.is === "restore"
    ? `restored by ${result.placement.runtimeClass}`
    : `${result.is}: ${result.reason}`;
}

function patched(pod: object, result: ReturnType<typeof decision>, claim?: string) {
  if (result.is !== "restore" && result.is !== "fresh") throw new Error(result.is);
  const placements = { nodeSelector: NODES, methods: byPlan(CLASSES) };
  const operations = mutation(pod as unknown as Json, result, claim, placements) as Operation[];
  return applyPatch(structuredClone(pod), operations, true).newDocument as ReturnType<typeof podJson>;
}

test("restores a sidecar by the plan of its pod, if it has the image of the checkpoint", () => {
  const sidecar = (name: string): Pod => ({
    ...TWO,
    containers: [{ name: "app", image: "app:1" }],
    spec: { initContainers: [{ name: "log", image: name, restartPolicy: "Always" }] },
  });
  expect(decision(sidecar("log:1"), of("amd64"))).toMatchObject({
    is: "restore",
    containers: ["app", "log"],
    warnings: [],
  });
  expect(why(sidecar("log:2"), of("amd64"))).toMatch(/container log has image log:2/);
  const setup = { ...sidecar("log:1"), spec: { initContainers: [{ name: "log", image: "log:1" }] } };
  expect(why(setup, of("amd64"))).toMatch(/the pod has no container log/);
});

test("sets the RuntimeClass of the architecture, the labels of its nodes and the records, and keeps images", () => {
  const before = podJson({ ...TWO, spec: { imagePullSecrets: [{ name: "s" }] } });
  const result = decision({ ...TWO, spec: { imagePullSecrets: [{ name: "s" }] } }, of("arm64"));
  const pod = patched(before, result, "c-1");
  const nodeSelector = { ...NODES, "kubernetes.io/arch": "arm64" };
  expect(pod.spec).toEqual({ ...before.spec, runtimeClassName: "cedana-criu-arm64", nodeSelector });
  expect(pod.metadata.labels).toMatchObject({ "cedana.ai/restored-from": "uid-before" });
  expect(pod.metadata.annotations).toEqual({
    "cedana.ai/restore-from": "before",
    "cedana.ai/restore-plan": "uid-before",
    "cedana.ai/restore-checkpoint": "before",
    "cedana.ai/restore-claim": "c-1",
    "cedana.ai/restore-containers": "app,log",
    "cedana.ai/restore-placement": JSON.stringify({ runtimeClass: "cedana-criu-arm64", nodeSelector }),
  });
  expect(result).toMatchObject({ warnings: ["container late has no checkpoint and starts fresh"] });
});

test("decides the same if the API server calls again for the patched pod", () => {
  const once = patched(podJson(TWO), decision(TWO, of("amd64")), "c-1");
  const again = { ...TWO, spec: { runtimeClassName: "cedana-criu-amd64" } };
  expect(patched(once, decision(again, of("amd64")), "c-1")).toEqual(once);
});

test("a pod that starts fresh loses a copied announcement of a plan", () => {
  const pod = podJson({ ...TWO, annotations: { ...TWO?.annotations, "cedana.ai/restore-plan": "uid-x" } });
  const fresh = patched(pod, decided(TWO, [], [], byPlan(CLASSES)));
  expect(fresh.metadata.annotations).not.toHaveProperty(["cedana.ai/restore-plan"]);
  expect(fresh.spec).toEqual(pod.spec);
});

test.each<[string, Pod, ReturnType<typeof of>, Record<string, string>, string]>([
  ["one class and an unknown architecture", TWO, of(), { amd64: "only" }, "restored by only"],
  [
    "the class already in the pod",
    { ...TWO, spec: { runtimeClassName: "only" } },
    of("amd64"),
    { amd64: "only" },
    "restored by only",
  ],
  [
    "several classes and an unknown architecture",
    TWO,
    of(),
    CLASSES,
    "fresh: Checkpoint before: its architecture is unknown, and there are RuntimeClasses for amd64, arm64",
  ],
  [
    "no class for the architecture",
    TWO,
    of("arm64"),
    { amd64: "only" },
    "fresh: Checkpoint before: no RuntimeClass for architecture arm64 is configured",
  ],
  [
    "another class in the pod",
    { ...TWO, spec: { runtimeClassName: "gvisor" } },
    of("amd64"),
    CLASSES,
    "fresh: Checkpoint before: the pod has RuntimeClass gvisor; it is restored by RuntimeClass cedana-criu-amd64",
  ],
  [
    "a nodeSelector that conflicts with the scheduling of the class",
    { ...TWO, spec: { nodeSelector: { "kubernetes.io/arch": "arm64" } } },
    of(),
    { amd64: "only" },
    "fresh: Checkpoint before: it requires nodes with kubernetes.io/arch=amd64, but the pod's nodeSelector has kubernetes.io/arch=arm64",
  ],
  [
    "another image in the pod",
    {
      ...TWO,
      containers: [
        { name: "app", image: "app:2" },
        { name: "log", image: "log:1" },
      ],
    },
    of("amd64"),
    CLASSES,
    "fresh: Checkpoint before: container app has image app:2; it was checkpointed with app:1",
  ],
  [
    "the same image by another tag and its digest",
    withImage(`mirror.example.com/app:2@${DIGEST}`),
    of("amd64", { baseImage: `docker.io/library/app@${DIGEST}` }),
    CLASSES,
    "restored by cedana-criu-amd64",
  ],
  [
    "another digest in the pod",
    withImage(`app@sha256:${"0".repeat(64)}`),
    of("amd64", { baseImage: `docker.io/library/app@${DIGEST}` }),
    CLASSES,
    `fresh: Checkpoint before: container app has image app@sha256:${"0".repeat(64)}; it was checkpointed with app:1`,
  ],
  [
    "a digest in the pod and an unknown one in the Checkpoint",
    withImage(`app@${DIGEST}`),
    of("amd64"),
    CLASSES,
    `fresh: Checkpoint before: container app has image app@${DIGEST}; it was checkpointed with app:1`,
  ],
  [
    "containers in several images",
    TWO,
    of("amd64", { location: digest("other") }),
    CLASSES,
    "fresh: Checkpoint before: container log is in another image than app",
  ],
])("with %s", (_, pod, saved, classes, expected) => {
  expect(why(pod, saved, classes)).toBe(expected);
});

test("a Checkpoint of an engine that the controller does not have is not restored", () => {
  expect(why(TWO, checkpoint({ status: { engine: "cedana" } }))).toBe(
    "fresh: Checkpoint before: its engine is cedana; engines whose checkpoints can be restored: criu",
  );
});
