import {
  compilePodExpression,
  formatExpressionProblem,
  MAX_STEPS,
  readableFields,
} from "../../../../config/cel";

const POD = {
  metadata: {
    name: "web-0",
    namespace: "team-a",
    creationTimestamp: "2026-11-27T12:00:00Z",
    labels: { app: "web", tier: "gold" },
    annotations: { note: "x", "kubectl.kubernetes.io/last-applied-configuration": "{}" },
    ownerReferences: [
      { apiVersion: "apps/v1", kind: "StatefulSet", name: "web", uid: "u", controller: true },
    ],
    managedFields: [{ manager: "kubectl" }],
  },
  spec: {
    nodeName: "n1",
    priority: 1000,
    containers: [
      {
        name: "main",
        image: "registry.example.com/web:1",
        env: [{ name: "PASSWORD", value: "secret" }],
        resources: { limits: { memory: "1Gi", "nvidia.com/gpu": "1" } },
        ports: [{ containerPort: 8080, protocol: "TCP" }],
      },
      { name: "proxy", image: "docker.io/envoy:1" },
    ],
  },
  status: {
    phase: "Running",
    qosClass: "Burstable",
    containerStatuses: [{ name: "main", ready: true, restartCount: 3, containerID: "x" }],
  },
};

function evaluate(text: string, pod: unknown = POD): boolean {
  const compiled = compilePodExpression(text);
  if ("problem" in compiled) throw new Error(formatExpressionProblem(text, compiled.problem));
  return compiled.expression.evaluate(readableFields(pod));
}

function problem(text: string): string {
  const compiled = compilePodExpression(text);
  return "problem" in compiled ? formatExpressionProblem(text, compiled.problem) : "none";
}

test.each([
  ["pod.metadata.labels['app'] == 'web'", true],
  ["pod.metadata.labels.tier in ['gold', 'silver']", true],
  ["'app' in pod.metadata.labels && !('canary' in pod.metadata.labels)", true],
  ["has(pod.metadata.annotations) && pod.metadata.annotations.note == 'x'", true],
  [
    "pod.spec.containers.exists(c, has(c.resources) && has(c.resources.limits) && 'nvidia.com/gpu' in c.resources.limits)",
    true,
  ],
  ["pod.spec.containers.all(c, c.image.startsWith('registry.example.com/'))", false],
  ["pod.spec.containers.filter(c, c.image.contains('envoy')).size() == 1", true],
  ["pod.spec.containers.exists_one(c, c.name == 'proxy')", true],
  ["pod.spec.containers.map(c, c.name) == ['main', 'proxy']", true],
  ["pod.spec.priority >= 1000 && pod.spec.containers[0].ports[0].containerPort == 8080", true],
  ["pod.status.containerStatuses.all(s, s.restartCount < 5 && s.ready)", true],
  ["timestamp(pod.metadata.creationTimestamp) < timestamp('2026-12-01T00:00:00Z')", true],
  ["has(pod.spec.runtimeClassName)", false],
  ["pod.metadata.ownerReferences.exists(o, o.kind == 'StatefulSet')", true],
  ["has(pod.spec.volumes) || pod.status.qosClass == 'Burstable'", true],
])("evaluates %s", (text, expected) => {
  expect(evaluate(text)).toBe(expected);
});

test.each([
  ["a field that does not exist", "pod.metadata.nam == 'x'", "character 14: No such key: nam"],
  ["such a field in has", "has(pod.spec.nodName)", "character 14: No such key: nodName"],
  ["a field that is not cached", "pod.spec.containers.exists(c, has(c.env))", "No such key: env"],
  ["a syntax error", "pod.spec.nodeName ==", "character 21: Unexpected token: EOF"],
  ["a syntax error in the second line", "pod.spec.nodeName == 'a' &&\n  pod..x", "line 2, character 7"],
  ["another type than bool", "pod.metadata.name", "character 1: is of type string, not bool"],
  ["different types", "pod.spec.priority == 'high'", "no such overload: int == string"],
  ["an unknown variable", "object.metadata.name == 'x'", "character 1: Unknown variable: object"],
  [
    "an unknown function",
    "pod.metadata.name.find('x') == 'x'",
    "function find is not available; available are has, all",
  ],
  [
    "a regular expression that can take for ever",
    "pod.metadata.name.matches('(a+)+$')",
    "function matches is not available",
  ],
  ["a macro that is not in the API server", "cel.bind(a, 1, a == 1)", "function bind is not available"],
  ["a map", "{'a': 1}.size() == 1", "a value of type map is not available"],
  ["deep nesting", `${"(".repeat(100)}true${")".repeat(100)}`, "Exceeded maxDepth"],
  ["a long list", `[${"1,".repeat(200)}1].size() == 1`, "Exceeded maxListElements"],
  ["a text that is too long", `pod.metadata.name == '${"x".repeat(1100)}'`, "is longer than 1024 characters"],
  ["nothing", "", "Unexpected token: EOF"],
])("rejects %s, with the position", (_, text, expected) => {
  expect(problem(text)).toContain(expected);
});

test("a field that the pod does not have is an error, not false", () => {
  expect(() => evaluate("pod.spec.runtimeClassName == 'x'")).toThrow("No such key: runtimeClassName");
  expect(() => evaluate("pod.metadata.labels.other == 'x'")).toThrow("No such key: other");
  expect(() => evaluate("pod.spec.containers[7].name == 'x'")).toThrow("index out of bounds");
  expect(evaluate("has(pod.spec.runtimeClassName) && pod.spec.runtimeClassName == 'x'")).toBe(false);
  expect(evaluate("pod.metadata.labels.other == 'x' || true")).toBe(true);
});

test.each([
  ["nested macros", "LIST.all(a, LIST.all(b, LIST.all(c, LIST.all(d, a + b + c + d >= 0))))"],
  ["lists that double", `[pod.metadata.name]${".map(x, x + x)".repeat(30)}.size() == 1`],
  [
    "errors that CEL ignores",
    "LIST.all(a, LIST.all(b, LIST.all(c, LIST.all(d, a + b + c + d >= 0)))) || true",
  ],
  ["a list of lists", "LIST.map(a, LIST.map(b, LIST.map(c, LIST))).size() == 20"],
])("ends an evaluation that costs too much: %s", (_, text) => {
  const list = `[${Array.from({ length: 20 }, (__, index) => index).join(", ")}]`;
  // Without the limit, these take minutes or gigabytes.
  expect(() => evaluate(text.replaceAll("LIST", list).slice(0, 2000))).toThrow(/needs more than|longer than/);
});

test.each([
  ["a search whose cost is a product", "pod.metadata.annotations.a.contains(pod.metadata.annotations.b)"],
  [
    "such a search in a macro",
    "['x'].exists(x, pod.metadata.annotations.a.contains(pod.metadata.annotations.b))",
  ],
  [
    "such a search in values of a list",
    "[pod.metadata.annotations.a].all(x, x.contains(pod.metadata.annotations.b))",
  ],
  ["a duration of many digits", "duration(pod.metadata.annotations.digits) > duration('1s')"],
  ["a read of a map with many keys", "pod.metadata.labels.k1 == 'x'"],
  ["a macro over a map with many keys", "pod.metadata.labels.all(k, k != '')"],
  ["equality of maps with many keys", "pod.metadata.labels == pod.metadata.annotations"],
  [
    "equality of lists that share lists",
    "[LIST.map(i, 'x')].all(a, [LIST.map(i, a)].all(b, [LIST.map(i, b)].all(c, c.map(x, x) == c)))",
  ],
  [
    "a search in lists that share lists",
    "[LIST.map(i, 'x')].all(a, [LIST.map(i, a)].all(b, [LIST.map(i, b)].all(c, c[0].map(x, x) in c)))",
  ],
])("ends an evaluation before it compares too much: %s", (_, text) => {
  const list = `[${Array.from({ length: 40 }, (__, index) => index).join(",")}]`;
  const labels = Object.fromEntries(Array.from({ length: 50_000 }, (__, index) => [`k${index}`, "x"]));
  // Without the limit, each of them ends within a second. Longer values block the process for minutes.
  const annotations = { a: "a".repeat(20_000), b: `${"a".repeat(2_000)}b`, digits: "1".repeat(400) };
  const pod = { ...POD, metadata: { ...POD.metadata, labels, annotations } };
  expect(() => evaluate(text.replaceAll("LIST", list), pod)).toThrow("needs more than 5000 steps");
});

test("searches, durations and maps of usual sizes are within the budget", () => {
  const labels = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, "x"]));
  const annotations = { a: "a".repeat(50_000), ttl: "1h30m" };
  const pod = { ...POD, metadata: { ...POD.metadata, labels, annotations } };
  const text =
    "!pod.metadata.annotations.a.contains('example.com/checkpoint') && pod.metadata.labels.k7 == 'x' && duration(pod.metadata.annotations.ttl) > duration('1h') && pod.metadata.labels == pod.metadata.labels";
  expect(evaluate(text, pod)).toBe(true);
});

test("a pod with many containers is within the budget", () => {
  const { metadata, status } = POD;
  const containers = Array.from({ length: 100 }, (_, index) => ({
    name: `c${index}`,
    image: "registry.example.com/x:1",
  }));
  const pod = { metadata, status, spec: { containers } };
  expect(
    evaluate("pod.spec.containers.all(c, c.image.startsWith('registry.example.com/') && c.name != 'x')", pod),
  ).toBe(true);
  expect(MAX_STEPS).toBeGreaterThan(100 * 20);
});

test("the fields that can be read have no environment, argument and last applied configuration", () => {
  const text = JSON.stringify(readableFields(POD));
  expect(text).not.toMatch(/secret|managedFields|last-applied|containerID/);
});
