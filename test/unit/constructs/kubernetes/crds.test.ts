import { Chart, Testing } from "cdk8s";
import { CHECKPOINT, KINDS, kindsOf } from "../../../../api";
import { Crd } from "../../../../constructs/kubernetes/crds";
import { chart, synth } from "./support";

const crdNames = (objects: ReturnType<typeof synth>) =>
  objects.filter(({ kind }) => kind === "CustomResourceDefinition").map(({ metadata }) => metadata.name);

test("the chart has the CRDs of the engine's kinds, and none with crds: false", () => {
  expect(crdNames(synth({}))).toEqual(["cedanas.core.cedana.ai", "checkpoints.automation.cedana.ai"]);
  expect(Object.keys(chart({}).crds)).toEqual(["Cedana", "Checkpoint"]);
  expect(crdNames(synth({ crds: false }))).toEqual([]);
  expect(chart({ crds: false }).crds).toEqual({});
  expect(kindsOf("criu", false).map(({ kind }) => kind)).toEqual([
    "Checkpoint",
    "NodeCheckpoint",
    "NodeRestore",
  ]);
});

test.each(KINDS)("the CRD of $kind serves one stored version with status, schema and columns", (kind) => {
  const parent = new Chart(Testing.app(), "crds");
  const { definition } = new Crd(parent, "crd", { kind });
  expect(definition.name).toBe(kind.crdName);
  const [crd] = Testing.synth(parent);
  expect(crd.spec).toMatchObject({
    group: kind.group,
    scope: kind.scope,
    names: { kind: kind.kind, listKind: `${kind.kind}List`, plural: kind.plural },
    versions: [
      {
        name: kind.version,
        served: true,
        storage: true,
        schema: { openAPIV3Schema: kind.schema },
        subresources: { status: {} },
        additionalPrinterColumns: kind.columns,
      },
    ],
  });
});

test("Checkpoints can be selected by the fields that the restore webhook uses", () => {
  const parent = new Chart(Testing.app(), "crds");
  new Crd(parent, "crd", { kind: CHECKPOINT });
  const [crd] = Testing.synth(parent);
  expect(crd.spec.versions[0].selectableFields).toEqual([
    { jsonPath: ".spec.podRef.name" },
    { jsonPath: ".status.owner.name" },
  ]);
});

test("a CRD has the labels and annotations of the install", () => {
  const parent = new Chart(Testing.app(), "crds");
  new Crd(parent, "crd", { kind: CHECKPOINT, install: { annotations: { team: "platform" } } });
  const [crd] = Testing.synth(parent);
  expect(crd.metadata).toMatchObject({
    name: "checkpoints.automation.cedana.ai",
    labels: { "app.kubernetes.io/part-of": expect.any(String) },
    annotations: { team: "platform" },
  });
});
