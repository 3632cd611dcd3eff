import { readFileSync } from "node:fs";
import { join } from "node:path";
import { formatProblem } from "../../../../config/schema/problem";
import {
  checkFeatures,
  FEATURE_MATRIX,
  featureTableJson,
  PLUGINS,
  renderFeatureTable,
  type FeatureUse,
} from "../../../../config/features";

const supported: FeatureUse = {
  runtime: "containerd",
  storage: "s3",
  gpu: "interception",
  operations: ["dump", "restore", "run", "manage", "freeze", "unfreeze", "query"],
};

test("every row has a state for every plugin", () => {
  for (const row of FEATURE_MATRIX.flat()) {
    expect(Object.keys(row.support)).toEqual([...PLUGINS]);
    expect(Object.values(row.support)).not.toContain(undefined);
  }
  expect(FEATURE_MATRIX.flat()).toHaveLength(34);
});

test("prints the same table as Cedana's agent", () => {
  const expected = readFileSync(join(__dirname, "../../../golden/cli/features-cedana.txt"), "utf8");
  expect(renderFeatureTable()).toBe(expected);
});

test("lists every state in the JSON output", () => {
  const { features } = featureTableJson();
  expect(features.find(({ feature }) => feature === "Checkpoint storage")?.support).toEqual({
    "cloud-hypervisor": "unimplemented",
    runc: "unimplemented",
    containerd: "unimplemented",
    crio: "unimplemented",
    kata: "unimplemented",
    "storage/cedana": "implemented",
    "storage/s3": "implemented",
    "storage/gcs": "unimplemented",
    k8s: "unimplemented",
    slurm: "not-installed",
  });
});

test.each<Partial<FeatureUse>>([
  {},
  { storage: "cedana" },
  { storage: "local" },
  { gpu: "tracing" },
  { runtime: "runc" },
  { runtime: "kata", gpu: "none", operations: [] },
])("%j is supported", (part) => {
  expect(checkFeatures({ ...supported, ...part })).toEqual([]);
});

test.each<[string, Partial<FeatureUse>]>([
  ["a gs:// bucket", { storage: "gcs" }],
  ["CRI-O restore", { runtime: "crio", gpu: "none", operations: ["restore"] }],
  ["kata dump", { runtime: "kata", gpu: "none", operations: ["dump"] }],
  ["GPU interception on CRI-O", { runtime: "crio", gpu: "interception", operations: ["dump"] }],
  ["GPU tracing restore on kata", { runtime: "kata", gpu: "tracing", operations: ["restore"] }],
])("rejects %s and names the row of the matrix", (name, part) => {
  const lines = checkFeatures({ ...supported, ...part }).map(formatProblem);
  expect(lines.length).toBeGreaterThan(0);
  expect(lines).toMatchSnapshot(name);
});

test("reports problems at the given path", () => {
  const problems = checkFeatures({
    ...supported,
    storage: "gcs",
    paths: { storage: ["engine", "checkpointDir"] },
  });
  expect(problems.map(({ path }) => path)).toEqual([["engine", "checkpointDir"]]);
});
