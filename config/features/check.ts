import type { Problem, PropertyPath } from "../schema/problem";
import { pluginsWith, supportOf, type Feature, type Plugin } from "./matrix";

export const RUNTIMES = ["containerd", "crio", "runc", "kata", "cloud-hypervisor"] as const;
export const STORAGES = ["local", "cedana", "s3", "gcs"] as const;
export const GPU_SUPPORTS = ["none", "interception", "tracing"] as const;

/** Operation of the agent on a container. */
export type Operation = keyof typeof OPERATIONS;

/** Describes the requested use of checkpoint and restore. */
export interface FeatureUse {
  /** Container runtime. */
  readonly runtime: (typeof RUNTIMES)[number];
  /** Storage of checkpoints. `local` is built into the agent and needs no plugin. */
  readonly storage: (typeof STORAGES)[number];
  /** Method that saves GPU state. */
  readonly gpu: (typeof GPU_SUPPORTS)[number];
  readonly operations: readonly Operation[];
  /** Paths of the properties in the input, for the problems. Default: the names of the properties here. */
  readonly paths?: {
    readonly runtime?: PropertyPath;
    readonly storage?: PropertyPath;
    readonly gpu?: PropertyPath;
  };
}

/** Rows of the matrix that an operation requires: its command, and the middleware or handler that implements it. */
const OPERATIONS = {
  dump: ["Dump command", "Dump middleware"],
  restore: ["Restore command", "Restore middleware"],
  run: ["Run command", "Run handler"],
  manage: ["Manage command", "Manage handler"],
  freeze: ["Freeze command", "Freeze handler"],
  unfreeze: ["Unfreeze command", "Unfreeze handler"],
  query: ["Query command", "Query handler"],
} as const satisfies Record<string, readonly Feature[]>;

/** Rows of the matrix that GPU support requires, by operation. */
const GPU = {
  interception: { dump: "GPU interception", restore: "GPU interception restore" },
  tracing: { dump: "GPU tracing", restore: "GPU tracing restore" },
} as const satisfies Record<string, Record<string, Feature>>;

/** Rejects features that are not marked as implemented in the feature matrix. Each problem names the row. */
export function checkFeatures(use: FeatureUse): Problem[] {
  return [...checkOperations(use), ...checkStorage(use), ...checkGpu(use)];
}

function checkOperations({ runtime, operations, paths }: FeatureUse): Problem[] {
  return operations.flatMap((operation) =>
    unsupported(
      paths?.runtime ?? ["runtime"],
      OPERATIONS[operation],
      runtime,
      `cannot ${operation} containers`,
      "use a runtime that supports it",
    ),
  );
}

function checkStorage({ storage, paths }: FeatureUse): Problem[] {
  if (storage === "local") return [];
  return unsupported(
    paths?.storage ?? ["storage"],
    ["Checkpoint storage"],
    `storage/${storage}`,
    "cannot store checkpoints",
    "store them in s3://, cedana:// or a directory on the node",
  );
}

function checkGpu({ gpu, runtime, operations, paths }: FeatureUse): Problem[] {
  if (gpu === "none") return [];
  const needed = [
    ...(operations.includes("dump") ? [GPU[gpu].dump] : []),
    ...(operations.includes("restore") ? [GPU[gpu].restore] : []),
  ];
  return unsupported(
    paths?.gpu ?? ["gpu"],
    needed,
    runtime,
    "is not supported on this runtime",
    "use a runtime that supports it, or set it to none",
  );
}

/** Returns the problem of the first unsupported feature, if any. */
function unsupported(
  path: PropertyPath,
  features: readonly Feature[],
  plugin: Plugin,
  message: string,
  remedy: string,
): Problem[] {
  const missing = features.find((feature) => supportOf(feature, plugin) !== "implemented");
  if (missing === undefined) return [];
  return [
    {
      code: "unsupported-feature",
      path,
      message: `${message}: "${missing}" is ${supportOf(missing, plugin)} for ${plugin}`,
      given: plugin,
      allowed: pluginsWith(features).join(", "),
      remedy: `${remedy} (cedana-cdk features prints the matrix)`,
    },
  ];
}
