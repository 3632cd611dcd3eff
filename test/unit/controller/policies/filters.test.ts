import { FILTERS } from "../../../../controller/policies/filters";
import { selects } from "../../../../controller/policies/core/selector";
import { podOf } from "./support";

const matches = (name: string, settings: unknown, pod: object, context: object = {}) =>
  FILTERS[name]?.matches(settings as never, podOf("web-0", pod), {
    nowMs: 1_000_000,
    namespaceLabels: {},
    ...context,
  });

test.each<[string, unknown, object, boolean]>([
  ["namespaces", ["team-a"], {}, true],
  ["namespaces", ["team-b"], {}, false],
  ["containers", ["main"], { containers: ["main", "proxy"] }, true],
  ["containers", ["main", "log"], { containers: ["main", "proxy"] }, false],
  ["minRunningSeconds", 600, { runningSinceMs: 400_000 }, true],
  ["minRunningSeconds", 600, { runningSinceMs: 400_001 }, false],
  ["minRunningSeconds", 600, { runningSinceMs: undefined }, false],
  ["restarts", { max: 3 }, { restarts: 3 }, true],
  ["restarts", { max: 3 }, { restarts: 4 }, false],
  ["restarts", { min: 1 }, { restarts: 0 }, false],
  ["phases", ["Running"], { phase: "Pending" }, false],
  ["phases", ["Pending", "Running"], { phase: "Pending" }, true],
  ["owners", [{ kind: "None" }], {}, true],
  ["owners", [{ kind: "None" }], { owner: { kind: "Job", name: "a" } }, false],
  ["owners", [{ kind: "Job" }], {}, false],
  ["owners", [{ kind: "Job" }], { owner: { kind: "Job", name: "a" } }, true],
  ["owners", [{ kind: "Job", names: ["b"] }], { owner: { kind: "Job", name: "a" } }, false],
  [
    "owners",
    [{ kind: "Job", names: ["b"] }, { kind: "None" }, { kind: "Job", names: ["a"] }],
    { owner: { kind: "Job", name: "a" } },
    true,
  ],
  [
    "owners",
    [{ kind: "Deployment", names: ["web"] }],
    { owner: { kind: "Deployment", name: "web", replicaSet: "web-6c" } },
    true,
  ],
  [
    "owners",
    [{ kind: "ReplicaSet", names: ["web-6c"] }],
    { owner: { kind: "Deployment", name: "web", replicaSet: "web-6c" } },
    true,
  ],
  ["owners", [{ kind: "ReplicaSet", names: ["web"] }], { owner: { kind: "ReplicaSet", name: "web" } }, true],
  ["owners", [{ kind: "Deployment" }], { owner: { kind: "ReplicaSet", name: "web" } }, false],
])("filter %s with %j of a pod with %j: %s", (name, settings, pod, expected) => {
  expect(matches(name, settings, pod)).toBe(expected);
});

test("only pods in the phase Running match by default", () => {
  expect(FILTERS["phases"]?.unset).toEqual(["Running"]);
  expect(Object.entries(FILTERS).filter(([, { unset }]) => unset !== undefined)).toHaveLength(1);
});

test("the namespace selector uses the labels of the namespace, not those of the pod", () => {
  const selector = { matchLabels: { tier: "gold" } };
  expect(matches("namespaceSelector", selector, { labels: { tier: "gold" } })).toBe(false);
  expect(matches("namespaceSelector", selector, {}, { namespaceLabels: { tier: "gold" } })).toBe(true);
});

test.each<[object, Record<string, string>, boolean]>([
  [{}, {}, true],
  [{ matchLabels: { a: "1" } }, { a: "1", b: "2" }, true],
  [{ matchLabels: { a: "1", b: "1" } }, { a: "1", b: "2" }, false],
  [{ matchLabels: { constructor: "1" } }, {}, false],
  [{ matchExpressions: [{ key: "a", operator: "In", values: ["1", "2"] }] }, { a: "2" }, true],
  [{ matchExpressions: [{ key: "a", operator: "In", values: ["1"] }] }, {}, false],
  [{ matchExpressions: [{ key: "a", operator: "NotIn", values: ["1"] }] }, { a: "1" }, false],
  [{ matchExpressions: [{ key: "a", operator: "NotIn", values: ["1"] }] }, {}, true],
  [{ matchExpressions: [{ key: "a", operator: "Exists" }] }, { a: "" }, true],
  [{ matchExpressions: [{ key: "toString", operator: "Exists" }] }, {}, false],
  [{ matchExpressions: [{ key: "a", operator: "DoesNotExist" }] }, { a: "" }, false],
  [{ matchExpressions: [{ key: "a", operator: "DoesNotExist" }] }, {}, true],
])("selector %j selects labels %j: %s", (selector, labels, expected) => {
  expect(selects(selector, labels)).toBe(expected);
});
