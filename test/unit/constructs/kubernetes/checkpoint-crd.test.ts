import { Chart, Testing } from "cdk8s";
import {
  checkpointSchema,
  nodeCheckpointName,
  nodeCheckpointSchema,
  nodeLabelValue,
} from "../../../../api/checkpoint";
import { CedanaCrd, CheckpointCrd, NodeCheckpointCrd } from "../../../../constructs/kubernetes/crds";
import { chart, synth } from "./support";

type Schema = Record<string, unknown> & {
  type?: string;
  items?: Schema;
  properties?: Record<string, Schema>;
};

/** A schema and all below it, with their paths. */
function* walk(schema: Schema, path: string): Generator<[string, Schema]> {
  yield [path, schema];
  if (schema.items) yield* walk(schema.items, `${path}[]`);
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    yield* walk(property, path === "" ? name : `${path}.${name}`);
}
const fields = [checkpointSchema, nodeCheckpointSchema].flatMap(({ properties: { spec, status } }) => [
  ...walk(spec, "spec"),
  ...walk(status, "status"),
]);

test("whatever has a length has a bound: rules and storage stay cheap", () => {
  const unbounded = fields.filter(
    ([, { type, maxLength, maxItems, format, enum: allowed }]) =>
      (type === "string" && (maxLength ?? format ?? allowed) === undefined) ||
      (type === "array" && maxItems === undefined),
  );
  expect(unbounded.map(([path]) => path)).toEqual([]);
});

test("every field is described: kubectl explain shows it", () => {
  const silent = fields.filter(([path, { description }]) => !path.endsWith("[]") && !description);
  expect(silent.map(([path]) => path)).toEqual([]);
});

test("the group's kind is in the chart with the other, or neither is", () => {
  const definitions = (crds: boolean) =>
    synth({ crds })
      .filter(({ kind }) => kind === "CustomResourceDefinition")
      .map(({ metadata }) => metadata.name);
  expect(definitions(true)).toEqual(["cedanas.core.cedana.ai", "checkpoints.automation.cedana.ai"]);
  expect(definitions(false)).toEqual([]);
  const { crd, checkpointCrd } = chart({ crds: false });
  expect([crd, checkpointCrd]).toEqual([undefined, undefined]);
});

test("the kinds serve a status, and say in conditions what has come of it", () => {
  const parent = new Chart(Testing.app(), "crds");
  new CedanaCrd(parent, "cedana");
  new CheckpointCrd(parent, "checkpoint");
  new NodeCheckpointCrd(parent, "node-checkpoint");
  for (const { spec } of Testing.synth(parent) as { spec: { versions: Record<string, never>[] } }[]) {
    expect(spec.versions).toMatchObject([
      {
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            properties: {
              status: { properties: { conditions: { "x-kubernetes-list-map-keys": ["type"] } } },
            },
          },
        },
      },
    ]);
  }
});

test("a label holds any node's name; two long ones differ", () => {
  const long = (end: string) => `${"n".repeat(80)}.${end}`;
  expect(nodeLabelValue("ip-10-0-0-1.ec2.internal")).toBe("ip-10-0-0-1.ec2.internal");
  expect(nodeLabelValue("n".repeat(63))).toBe("n".repeat(63));
  expect(nodeLabelValue(long("a"))).toMatch(/^[0-9a-f]{63}$/);
  expect(nodeLabelValue(long("a"))).not.toBe(nodeLabelValue(long("b")));
});

test("the longest container makes a name that objects and tags may have", () => {
  const name = nodeCheckpointName("0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10", "c".repeat(63));
  expect(name).toMatch(/^[a-z0-9][a-z0-9.-]{0,252}$/);
  expect(name.length).toBeLessThanOrEqual(128);
});
