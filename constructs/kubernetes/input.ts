import type { Construct } from "constructs";
import {
  checkEngine,
  engineSchema,
  type EngineKind,
  type EngineSpec,
  type ResolvedCedanaEngine,
  type ResolvedEngine,
  type ResolvedKubeletEngine,
} from "../../config/engines";
import {
  checkInstall,
  checkTogether,
  installSchema,
  nativeVersion,
  type InstallSpec,
  type ResolvedInstall,
} from "../../config/install";
import { InvalidInputError, throwIfAny } from "../../config/schema";
import { resolve } from "../../config/schema";

/** Input of every construct in this directory. All constructs of one install get the same value. */
export interface InstallProps {
  /**
   * How the engine is installed into the cluster.
   *
   * @default {}
   */
  readonly install?: InstallSpec;
}

/** Input of every construct that depends on the engine. */
export interface EngineProps extends InstallProps {
  /** Engine that takes and restores checkpoints. */
  readonly engine: EngineSpec;
}

export interface ResolvedInput {
  readonly engine: ResolvedEngine;
  readonly install: ResolvedInstall;
}

export interface CedanaInput extends ResolvedInput {
  readonly engine: ResolvedCedanaEngine;
  /** Version of the plugins that are built with the agent. */
  readonly native: string;
}

export interface KubeletInput extends ResolvedInput {
  readonly engine: ResolvedKubeletEngine;
}

/** Inputs that went through `resolve` already: a chart checks them once, not once a construct. */
const resolved = new WeakSet<object>();

/** @throws InvalidInputError with all problems of the install. */
export function installOf(scope: Construct, { install = {} }: InstallProps): ResolvedInstall {
  return once(install, () => resolve(scope.node.path, installSchema, install, checkInstall));
}

/** @throws InvalidInputError with all problems of engine and install. */
export function inputOf(scope: Construct, props: EngineProps): ResolvedInput {
  const install = installOf(scope, props);
  const engine = once(props.engine, () => resolve(scope.node.path, engineSchema, props.engine, checkEngine));
  throwIfAny(scope.node.path, checkTogether(engine, install));
  return { engine, install };
}

/** The input, if its engine is `cedana`. */
export function withCedana({ engine, install }: ResolvedInput): CedanaInput | undefined {
  return engine.kind === "cedana"
    ? { engine, install, native: nativeVersion(engine, install) ?? "" }
    : undefined;
}

/** The input, if its engine is `kubelet`. */
export function withKubelet({ engine, install }: ResolvedInput): KubeletInput | undefined {
  return engine.kind === "kubelet" ? { engine, install } : undefined;
}

/** @throws InvalidInputError with all problems of engine and install, or if the engine is not `cedana`. */
export function cedanaInputOf(scope: Construct, props: EngineProps): CedanaInput {
  return withCedana(inputOf(scope, props)) ?? refuseEngine(scope, "cedana");
}

/** @throws InvalidInputError with all problems of engine and install, or if the engine is not `kubelet`. */
export function kubeletInputOf(scope: Construct, props: EngineProps): KubeletInput {
  return withKubelet(inputOf(scope, props)) ?? refuseEngine(scope, "kubelet");
}

function refuseEngine(scope: Construct, wanted: EngineKind): never {
  throw new InvalidInputError(scope.node.path, [
    {
      code: "of-other-engine",
      path: ["engine", "kind"],
      message: "has nothing for which this construct is",
      given: wanted === "cedana" ? "kubelet" : "cedana",
      allowed: wanted,
      remedy: `leave the construct out, or use the engine ${wanted}`,
    },
  ]);
}

function once<T extends object>(given: object, make: () => T): T {
  if (resolved.has(given)) return given as T;
  const made = make();
  resolved.add(made);
  return made;
}
