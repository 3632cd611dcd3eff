import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { parse } from "yaml";
import type { KubernetesObject } from "../../../manifests";
import { helmChart, layout } from "../../../manifests";
import { assertProperty } from "../../support/property";

const object = (
  apiVersion: string,
  kind: string,
  name: string,
  namespace?: string,
  rest: Record<string, unknown> = {},
): KubernetesObject => ({
  ...rest,
  metadata: { labels: { app: "a" }, ...(namespace === undefined ? {} : { namespace }), name },
  kind,
  apiVersion,
});

const OBJECTS = [
  object("v1", "Namespace", "cedana-system"),
  object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "cedanas.core.cedana.ai"),
  object("v1", "ConfigMap", "config", "cedana-system", {
    data: { script: "#!/bin/sh\necho {{ x }}\n", on: "off" },
  }),
  object("apps/v1", "Deployment", "manager", "cedana-system", { spec: { replicas: 1 } }),
  object("rbac.authorization.k8s.io/v1", "ClusterRole", "system:cedana:Reader", undefined, { rules: [] }),
  object("karpenter.sh/v1", "NodePool", "gpu"),
];

const golden = (path: string): string => readFileSync(join(__dirname, "../../golden/gitops", path), "utf8");
const shown = (files: ReadonlyMap<string, string>): string =>
  [...files].map(([path, text]) => `### ${path}\n${text}`).join("");

test("writes one file per object and a kustomization.yaml", () => {
  expect(shown(layout(OBJECTS))).toBe(golden("file-per-object.txt"));
});

test("writes one file per chart, with the objects in their order", () => {
  const sources = ["base", "base", "agent", "agent", "base", "kustomization"];
  expect(shown(layout(OBJECTS, { filePer: "chart", sources }))).toBe(golden("file-per-chart.txt"));
});

test("writes a Helm chart of the same objects", () => {
  const files = helmChart(OBJECTS, { name: "cedana", version: "1.2.3", appVersion: "0.7.6" });
  expect(shown(files)).toBe(golden("helm.txt"));
});

test("writes no kustomization.yaml if it is disabled or would be empty", () => {
  expect([...layout(OBJECTS, { kustomization: false }).keys()]).not.toContain("kustomization.yaml");
  expect(layout([]).size).toBe(0);
});

test("writes the same bytes for any order of objects and keys", () => {
  const before = [...layout(OBJECTS)];
  expect([...layout(OBJECTS.toReversed())]).toEqual(before);
});

test("adds one file and one line for one more object", () => {
  const before = layout(OBJECTS);
  const after = layout([object("v1", "Secret", "aaa", "aaa"), ...OBJECTS]);
  const changed = [...after].filter(([path, text]) => before.get(path) !== text).map(([path]) => path);
  expect(changed).toEqual(["aaa/secret-aaa.yaml", "kustomization.yaml"]);
});

test("rejects an object defined twice, in any version of its API, and names both sources", () => {
  expect(() =>
    layout(
      [
        object("policy/v1", "PodDisruptionBudget", "a", "n"),
        object("policy/v1beta1", "PodDisruptionBudget", "a", "n"),
        object("v1", "Secret", "a"),
        object("v1", "Secret", "a", ""),
      ],
      { sources: ["app/one", "app/two", "app/three", "app/four"] },
    ),
  ).toThrow(
    [
      "manifests: 2 problems",
      "  [1]  is defined twice: PodDisruptionBudget.policy n/a; given: by app/one and by app/two; remove one of them, or rename it",
      "  [3]  is defined twice: Secret a; given: by app/three and by app/four; remove one of them, or rename it",
    ].join("\n"),
  );
});

test("reports every object without a kind or name", () => {
  const broken = [
    { kind: "Pod", metadata: { generateName: "a-" } },
    null,
    { apiVersion: "v1", kind: "", metadata: { name: "a", namespace: 1 } },
  ] as unknown as KubernetesObject[];
  expect(() => layout(broken)).toThrow(
    [
      "manifests: 7 problems",
      "  [0].apiVersion  of object 1 is not a non-empty string; given: nothing; allowed: a non-empty string",
      "  [0].metadata.name  of object 1 is not a non-empty string; given: nothing; allowed: a non-empty string; set metadata.name: files do not support generateName",
    ].join("\n"),
  );
});

test("rejects a number of sources other than that of the objects", () => {
  expect(() => layout(OBJECTS, { sources: ["a"] })).toThrow("1 sources for 6 objects");
});

test.each([
  ["name", { name: "Cedana", version: "1.0.0" }],
  ["version", { name: "cedana", version: "v1" }],
])("enforces Helm's rule for the %s of a chart", (property, options) => {
  expect(() => helmChart(OBJECTS, options)).toThrow(`Helm chart: 1 problem\n  ${property}  is not`);
});

const part = fc.oneof(
  fc.constantFrom(
    "a",
    "A",
    "a-b",
    "b",
    "a.b",
    "..",
    ".",
    "a_2db",
    "_2d",
    "a/b",
    "con",
    "é",
    "a:b",
    "x".repeat(253),
  ),
  fc.string({ unit: fc.constantFrom(...Array.from("aAbB-._:/%zé0")), minLength: 1, maxLength: 8 }),
);
const identity = fc.record({
  group: fc.option(part, { nil: "" }),
  kind: fc.constantFrom("Pod", "Service", "Ingress", "Po-d", "Event", "Pod-a"),
  namespace: fc.option(part, { nil: undefined }),
  name: part,
});

test("never writes two objects to one path, also on a file system that ignores case", () => {
  const seen = new Map<string, string>();
  assertProperty(
    fc.property(identity, ({ group, kind, namespace, name }) => {
      const apiVersion = group === "" ? "v1" : `${group.replaceAll("/", "")}x/v1`;
      const [path] = layout([object(apiVersion, kind, name, namespace)], { kustomization: false }).keys();
      const key = JSON.stringify([apiVersion, kind, namespace, name]);
      expect(path).toBe(path?.toLowerCase());
      expect(path).toMatch(/^[a-z0-9_][a-z0-9_.-]*\/[a-z0-9_][a-z0-9_.-]*\.yaml$/);
      expect(path?.split("/").every((segment) => segment.length <= 205)).toBe(true);
      expect(seen.get(path ?? "") ?? key).toBe(key);
      seen.set(path ?? "", key);
    }),
    500,
  );
});

test("writes objects that are read back unchanged", () => {
  const files = layout(OBJECTS, { kustomization: false });
  const back = [...files.values()].map((text) => parse(text) as KubernetesObject);
  for (const given of OBJECTS) expect(back).toContainEqual(given);
});
