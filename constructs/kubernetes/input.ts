import type { Construct } from "constructs";
import {
  checkEngine,
  checkTogether,
  engineSchema,
  type EngineKind,
  type EngineSpec,
  type ResolvedEngine,
} from "../../config/engines";
import { checkInstall, installSchema, type InstallSpec, type ResolvedInstall } from "../../config/install";
import { InvalidInputError, resolve, throwIfAny } from "../../config/schema";
import type { EngineInput } from "./engines/engine";

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

/** Inputs that are already resolved. A chart checks its input once, not once per construct. */
const resolved = new WeakSet<object>();

/** @throws InvalidInputError with all problems of the install */
export function installOf(scope: Construct, { install = {} }: InstallProps): ResolvedInstall {
  return once(install, () => resolve(scope.node.path, installSchema, install, checkInstall));
}

/** @throws InvalidInputError with all problems of engine and install */
export function inputOf(scope: Construct, props: EngineProps): EngineInput {
  const install = installOf(scope, props);
  const engine = once(props.engine, () => resolve(scope.node.path, engineSchema, props.engine, checkEngine));
  throwIfAny(scope.node.path, checkTogether(engine, install));
  return { engine, install };
}

/** @throws InvalidInputError with all problems of engine and install, or if it is another engine */
export function inputOfKind<K extends EngineKind>(
  scope: Construct,
  props: EngineProps,
  kind: K,
): EngineInput<Extract<ResolvedEngine, { readonly kind: K }>> {
  const { engine, install } = inputOf(scope, props);
  if (isOfKind(engine, kind)) return { engine, install };
  throw new InvalidInputError(scope.node.path, [
    {
      code: "engine-mismatch",
      path: ["engine", "kind"],
      message: "does not have this construct",
      given: engine.kind,
      allowed: kind,
      remedy: `remove the construct, or use the engine ${kind}`,
    },
  ]);
}

function isOfKind<K extends EngineKind>(
  engine: ResolvedEngine,
  kind: K,
): engine is Extract<ResolvedEngine, { readonly kind: K }> {
  return engine.kind === kind;
}

/** Resolves an input, unless it is already resolved. */
function once<T extends object>(given: object, resolveInput: () => T): T {
  if (resolved.has(given)) return given as T;
  const result = resolveInput();
  resolved.add(result);
  return result;
}

/**
 * Returns the settings of a construct that exists only if they are enabled.
 * @throws InvalidInputError if they are disabled
 */
export function enabled<T extends object>(
  scope: Construct,
  path: readonly string[],
  settings: T | false | undefined,
): T {
  if (settings) return settings;
  throw new InvalidInputError(scope.node.path, [
    {
      code: "disabled",
      path,
      message: "is disabled, so this construct has no objects",
      remedy: `remove the construct, or set ${path.join(".")}`,
    },
  ]);
}
