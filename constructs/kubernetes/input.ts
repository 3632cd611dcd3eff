import type { Construct } from "constructs";
import { checkEngine, engineSchema, type EngineSpec, type ResolvedEngine } from "../core/engine";
import {
  checkInstall,
  checkTogether,
  installSchema,
  nativeVersion,
  type InstallSpec,
  type ResolvedInstall,
} from "../core/install";
import { throwIfAny } from "../core/problem";
import { resolve } from "../core/schema";

/** What every construct of this area is told. The same value is given to all of one install. */
export interface InstallProps {
  /** @default - everything as documented under install */
  readonly install?: InstallSpec;
}

export interface EngineProps extends InstallProps {
  readonly engine: EngineSpec;
}

export interface ResolvedInput {
  readonly engine: ResolvedEngine;
  readonly install: ResolvedInstall;
  /** Version of the plugins that are built with the agent. */
  readonly native: string;
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
  return { engine, install, native: nativeVersion(engine, install) ?? "" };
}

function once<T extends object>(given: object, make: () => T): T {
  if (resolved.has(given)) return given as T;
  const made = make();
  resolved.add(made);
  return made;
}
