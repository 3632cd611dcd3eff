/** Interface of an engine: its settings, their checks, and its capabilities as data. */
import * as v from "../schema/valibot";
import type { GenericSchema, InferOutput } from "../schema/valibot";
import type { CheckpointsOf, ResolvedInstall } from "../install";
import type { RuntimeHandler } from "../nodes/settings";
import type { ServiceAccountSpec } from "../pod-identity";
import type { SecretRef } from "../secret";
import type { Problem, PropertyPath } from "../schema/problem";
import { someNamespaces } from "../pod";
import { described, directory, integer } from "../schema";
import type { GatingCheck } from "./node-agent/checks";

/** Location of checkpoints, and the property of the engine that sets it. */
export type CheckpointStorage =
  | {
      readonly in: "registry";
      readonly property: PropertyPath;
      /** `<host>/<path>`. */
      readonly repository: string;
      /** Namespaces whose checkpoints are in a repository of their own, `<repository>/<namespace>`. Default: none. */
      readonly namespaces?: "all" | readonly string[];
    }
  | {
      readonly in: "path";
      readonly property: PropertyPath;
      /** Directory of the node, or URL. */
      readonly location: string;
      /** Region of the bucket, if the location is a bucket. Empty if unknown. */
      readonly region: { readonly property: PropertyPath; readonly name: string };
    };

/** Describes a Secret that the user must create. */
export interface RequiredSecret {
  readonly namespace: string;
  readonly name: string;
  readonly keys: readonly string[];
  /** Default: Opaque. */
  readonly type?: string;
}

/** Describes the capabilities of a configured engine. */
export interface EngineCapabilities {
  readonly storage: CheckpointStorage;
  /** Manager of the engine, which can own the readiness gate. Undefined if it has none. */
  readonly manager?: {
    /** Whether the manager removes the startup taint if it owns the gate. */
    readonly removesTaint: boolean;
  };
  /** Handler of the RuntimeClass of pods to restore. Undefined without a RuntimeClass. */
  readonly runtimeClassHandler?: string;
  /** ServiceAccounts that need a role for an ECR repository. Undefined: none. */
  readonly registryAccess?: {
    readonly pushers: readonly ServiceAccountSpec[];
    readonly pullers: readonly ServiceAccountSpec[];
    readonly checkers: readonly ServiceAccountSpec[];
    /** Default: none. */
    readonly deleters?: readonly ServiceAccountSpec[];
  };
  readonly secrets: readonly RequiredSecret[];
  /** Which checks of the health check gate a node, and which only warn. Undefined if the engine has no such checks. */
  readonly healthChecks?: { readonly gate: readonly GatingCheck[]; readonly warn: readonly GatingCheck[] };
}

/** Access to the platform of an engine's vendor, in which policies can be mirrored. */
export interface PlatformAccess {
  readonly url: string;
  /** Id of the cluster on the platform. */
  readonly clusterId: string;
  /** State directory of the container runtime of the nodes. */
  readonly root: string;
  /** Key of a Secret in the namespace of the install. */
  readonly token: SecretRef;
}

/** Values of the platform file that `init` writes. */
export interface TemplateValues {
  /** AWS account of the images and checkpoints. */
  readonly accountId: string;
  readonly region: string;
  /** Id of the cluster on the Cedana platform. */
  readonly clusterId: string;
  /** URL of the Cedana platform. */
  readonly url: string;
  /** Bucket of checkpoints. */
  readonly bucket: string;
  /** Whether the file has a GPU node group. */
  readonly gpu: boolean;
  /** Whether the file has an AWS side. */
  readonly aws: boolean;
}

/** Sections of the platform file that depend on the engine, as YAML with comments. */
export interface Template {
  /** AWS resource that stores checkpoints. */
  readonly storage: string;
  readonly engine: string;
  readonly install: string;
}

/** Defines an engine. Each one has a directory here and an entry in the table. */
export interface EngineDefinition<S extends GenericSchema, C extends GenericSchema> {
  /** Schema of the settings under `engine`. */
  readonly schema: S;
  /**
   * How a pod is restored.
   * - `plan`: the handler of a RuntimeClass restores containers by a plan that the agent of the node prepares. A webhook of the
   *   controller sets the RuntimeClass. The nodes need the handler and the host service.
   * - `runtimeClass`: the handler of a RuntimeClass restores containers. The nodes need the handler.
   */
  readonly restoresBy: "plan" | "runtimeClass";
  /** Default runtime handler of the engine's nodes. */
  readonly runtimeHandler?: RuntimeHandler;
  /** Whether its agents read the memory of pods, for the trigger `memory` of policies. */
  readonly readsMemory: boolean;
  /** Whether the engine requires this toolkit's controller. */
  readonly needsController: boolean;
  /** Checks that involve several properties of the engine. Paths begin with a property of the engine. */
  check(engine: InferOutput<S>): Problem[];
  /** Checks of engine and install together. Paths begin with `engine` or `install`. */
  checkInstall(engine: InferOutput<S>, install: ResolvedInstall): Problem[];
  capabilities(engine: InferOutput<S>, install: ResolvedInstall): EngineCapabilities;
  /** Default: it has no platform. */
  platform?(engine: InferOutput<S>): PlatformAccess;
  /** Engine settings of the controller: their schema, and their derivation from engine and install. */
  readonly controller: {
    readonly schema: C;
    settings(engine: InferOutput<S>, install: ResolvedInstall, checkpoints: CheckpointsOf): InferOutput<C>;
  };
  /** Table of supported features, for `cedana-cdk features`. */
  readonly features: { readonly text: () => string; readonly json: () => unknown };
  template(values: TemplateValues): Template;
}

/** Engine settings of the controller that all engines share. */
export const checkpointEntries = {
  namespaces: described(
    someNamespaces,
    "Namespaces whose Checkpoint objects are reconciled. all: every namespace.",
  ),
  maxPerNode: described(integer(1, 100), "Maximum number of checkpoints in flight on one node."),
  waitSeconds: described(
    integer(60, 604_800),
    "Seconds after its creation at which a Checkpoint fails that has not started.",
  ),
  locations: described(
    v.array(directory),
    "Directories of nodes to which spec.location of a Checkpoint may refer.",
  ),
};

export const timeoutSeconds = described(integer(1, 86_400), "Seconds after which a checkpoint fails.");
