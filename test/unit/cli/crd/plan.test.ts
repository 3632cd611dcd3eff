import {
  compareVersions,
  type CrdSchema,
  type DesiredCrd,
  type LiveCrd,
} from "../../../../cli/crd/definition";
import { lostFields } from "../../../../cli/crd/lost-fields";
import { isNoop, planOf, transitionalVersions } from "../../../../cli/crd/plan";
import { reportText } from "../../../../cli/crd/text";

const names = { kind: "Thing", plural: "things" };

function desired(...versions: readonly string[]): DesiredCrd {
  return {
    metadata: { name: "things.example.com" },
    spec: {
      group: "example.com",
      names,
      scope: "Namespaced",
      versions: versions.map((name, index) => ({ name, served: true, storage: index === 0 })),
    },
  };
}

function live(stored: readonly string[], ...versions: readonly string[]): LiveCrd {
  const { spec } = desired(...versions);
  return {
    metadata: { name: "things.example.com", uid: "u", resourceVersion: "1", generation: 1 },
    // As the API server completes it.
    spec: { ...spec, names: { ...names, listKind: "ThingList", singular: "thing" } },
    status: { storedVersions: stored },
  };
}

const NOTHING = { name: "things.example.com", staleVersions: [], droppedVersions: [], problems: [] };

test.each<[string, DesiredCrd, LiveCrd | undefined, object]>([
  ["is created if it is missing", desired("v1"), undefined, { definition: "create" }],
  ["is kept if it is current", desired("v1"), live(["v1"], "v1"), {}],
  [
    "is kept if versions are in another order",
    desired("v2", "v1"),
    {
      ...live(["v2"], "v1", "v2"),
      spec: { ...live([], "v2", "v1").spec, versions: live([], "v2", "v1").spec.versions.toReversed() },
    },
    {},
  ],
  [
    "is updated and migrated for a new storage version",
    desired("v1beta1", "v1alpha1"),
    live(["v1alpha1"], "v1alpha1"),
    { definition: "update", migrateTo: "v1beta1", staleVersions: ["v1alpha1"] },
  ],
  [
    "is migrated again after an interruption",
    desired("v1beta1", "v1alpha1"),
    live(["v1alpha1", "v1beta1"], "v1beta1", "v1alpha1"),
    { migrateTo: "v1beta1", staleVersions: ["v1alpha1"] },
  ],
  [
    "drops an old version after the migration",
    desired("v1beta1"),
    live(["v1alpha1"], "v1beta1", "v1alpha1"),
    {
      definition: "update",
      migrateTo: "v1beta1",
      staleVersions: ["v1alpha1"],
      droppedVersions: ["v1alpha1"],
    },
  ],
  [
    "drops an old version that no object is stored in",
    desired("v1beta1"),
    live(["v1beta1"], "v1beta1", "v1alpha1"),
    { definition: "update", droppedVersions: ["v1alpha1"] },
  ],
])("a definition %s", (_, wanted, given, expected) => {
  expect(planOf(wanted, given)).toEqual({ ...NOTHING, ...expected });
  expect(isNoop(planOf(wanted, given))).toBe(Object.keys(expected).length === 0);
});

test("a plan is rejected if it would drop a newer version, or change the scope", () => {
  expect(planOf(desired("v1alpha1"), live(["v1beta1"], "v1beta1", "v1alpha1")).problems).toEqual([
    expect.stringMatching(/^the cluster has version v1beta1, which is newer than v1alpha1/),
  ]);
  const cluster = desired("v1");
  const { problems } = planOf(
    { ...cluster, spec: { ...cluster.spec, scope: "Cluster" } },
    live(["v1"], "v1"),
  );
  expect(problems).toEqual([expect.stringMatching(/has scope Namespaced, this toolkit Cluster/)]);
});

test("during the migration, the old version is served, and not stored", () => {
  expect(transitionalVersions(desired("v1beta1"), live(["v1alpha1"], "v1alpha1"))).toEqual([
    { name: "v1beta1", served: true, storage: true },
    { name: "v1alpha1", served: true, storage: false },
  ]);
});

test("versions are compared by Kubernetes' priority", () => {
  const order = ["foo", "v1alpha1", "v1alpha10", "v2alpha1", "v1beta1", "v1beta2", "v1", "v2", "v10"];
  expect(order.toReversed().toSorted(compareVersions)).toEqual(order);
  expect(compareVersions("v1", "v1")).toBe(0);
});

describe("fields that a schema lacks", () => {
  const text: CrdSchema = { type: "string" };
  const schema: CrdSchema = {
    properties: {
      spec: {
        properties: {
          name: text,
          items: { items: { properties: { a: text } } },
          labels: { additionalProperties: text },
          maps: { additionalProperties: { properties: { a: text } } },
          free: { "x-kubernetes-preserve-unknown-fields": true },
          any: { additionalProperties: true },
          pod: { "x-kubernetes-embedded-resource": true, properties: { spec: { properties: {} } } },
        },
      },
    },
  };
  const base = { apiVersion: "example.com/v1", kind: "Thing", metadata: { name: "a", labels: { b: "c" } } };

  test("are none of an object that fits", () => {
    const spec = {
      name: "x",
      items: [{ a: "1" }, {}],
      labels: { x: "y" },
      maps: { k: { a: "1" } },
      free: { what: { ever: 1 } },
      any: { what: 1 },
      pod: { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec: {} },
    };
    expect(lostFields(schema, { ...base, spec })).toEqual([]);
  });

  test("are found in objects, lists and maps, and named up to the first one", () => {
    const spec = {
      name: "x",
      gone: { deep: 1 },
      items: [{ a: "1" }, { b: "2" }],
      maps: { k: { z: 1 } },
      pod: { spec: { image: "i" } },
      toString: "own",
    };
    expect(lostFields(schema, { ...base, spec, status: { phase: "x" } })).toEqual([
      ".spec.gone",
      ".spec.items[1].b",
      ".spec.maps.k.z",
      ".spec.pod.spec.image",
      ".spec.toString",
      ".status",
    ]);
  });
});

test("the text of a report has the state, the steps and what is rejected", () => {
  const report = {
    ...planOf(desired("v1beta1"), live(["v1alpha1"], "v1beta1", "v1alpha1")),
    servedVersions: ["v1beta1", "v1alpha1"],
    storedVersions: ["v1alpha1"],
    storageVersion: "v1beta1",
    objects: 7,
  };
  expect(reportText(report)).toBe(
    `things.example.com  serves v1beta1, v1alpha1; objects: 7, stored as v1alpha1; toolkit: v1beta1
  to do: update versions and names
  to do: rewrite 7 objects into v1beta1
  to do: remove v1alpha1 from status.storedVersions
  to do: stop serving v1alpha1
`,
  );
  expect(reportText({ ...NOTHING, definition: "create", storageVersion: "v1", objects: 0 })).toBe(
    "things.example.com  missing\n  to do: create\n",
  );
});
