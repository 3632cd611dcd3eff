import type { Problem, PropertyPath } from "../schema/problem";
import { pluginsWith, supportOf, type Feature, type Plugin } from "./matrix";

export const RUNTIMES = ["containerd", "crio", "runc", "kata", "cloud-hypervisor"] as const;
export const STORAGES = ["local", "cedana", "s3", "gcs"] as const;
export const GPU_SUPPORTS = ["none", "interception", "tracing"] as const;

/** What the agent is asked to do with a container. */
export type Operation = keyof typeof OPERATIONS;

/** How checkpoint and restore are to be used. */
export interface FeatureUse {
  /** What runs the containers. */
  readonly runtime: (typeof RUNTIMES)[number];
  /** Where checkpoints are kept. `local` is the agent's own and needs no plugin. */
  readonly storage: (typeof STORAGES)[number];
  /** How GPU state is saved. */
  readonly gpu: (typeof GPU_SUPPORTS)[number];
  readonly operations: readonly Operation[];
  /** Which property of the input each part comes from. Default: the part's own name. */
  readonly paths?: {
    readonly runtime?: PropertyPath;
    readonly storage?: PropertyPath;
    readonly gpu?: PropertyPath;
  };
}

/** Rows that an operation stands on: the command by which it is asked for, and what does it. */
const OPERATIONS = {
  dump: ["Dump command", "Dump middleware"],
  restore: ["Restore command", "Restore middleware"],
  run: ["Run command", "Run handler"],
  manage: ["Manage command", "Manage handler"],
  freeze: ["Freeze command", "Freeze handler"],
  unfreeze: ["Unfreeze command", "Unfreeze handler"],
  query: ["Query command", "Query handler"],
} as const satisfies Record<string, readonly Feature[]>;

/** GPU rows by the operation that needs them. */
const GPU = {
  interception: { dump: "GPU interception", restore: "GPU interception restore" },
  tracing: { dump: "GPU tracing", restore: "GPU tracing restore" },
} as const satisfies Record<string, Record<string, Feature>>;

/** Refuses what the feature matrix does not show as implemented, naming the row that says so. */
export function checkFeatures(use: FeatureUse): Problem[] {
  return [...checkOperations(use), ...checkStorage(use), ...checkGpu(use)];
}

function checkOperations({ runtime, operations, paths }: FeatureUse): Problem[] {
  return operations.flatMap((operation) =>
    refuse(
      paths?.runtime ?? ["runtime"],
      OPERATIONS[operation],
      runtime,
      `cannot ${operation} containers`,
      "use a runtime that can",
    ),
  );
}

function checkStorage({ storage, paths }: FeatureUse): Problem[] {
  if (storage === "local") return [];
  return refuse(
    paths?.storage ?? ["storage"],
    ["Checkpoint storage"],
    `storage/${storage}`,
    "cannot hold checkpoints",
    "keep them in s3://, cedana:// or a directory on the node",
  );
}

function checkGpu({ gpu, runtime, operations, paths }: FeatureUse): Problem[] {
  if (gpu === "none") return [];
  const needed = [
    ...(operations.includes("dump") ? [GPU[gpu].dump] : []),
    ...(operations.includes("restore") ? [GPU[gpu].restore] : []),
  ];
  return refuse(
    paths?.gpu ?? ["gpu"],
    needed,
    runtime,
    `GPU ${gpu} does not work with the runtime ${runtime}`,
    "use a runtime that it works with, or set it to none",
  );
}

/** At most one problem, of the first row that refuses. */
function refuse(
  path: PropertyPath,
  features: readonly Feature[],
  plugin: Plugin,
  message: string,
  remedy: string,
): Problem[] {
  const refusing = features.find((feature) => supportOf(feature, plugin) !== "implemented");
  if (refusing === undefined) return [];
  return [
    {
      code: "unsupported-feature",
      path,
      message: `${message}: row "${refusing}" of the feature matrix says ${supportOf(refusing, plugin)} for ${plugin.toUpperCase()}`,
      given: plugin,
      allowed: pluginsWith(features).join(", "),
      remedy: `${remedy} (cedana-cdk features prints the matrix)`,
    },
  ];
}
