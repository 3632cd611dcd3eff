import { engineKindOf } from "../engines";
import type { Problem } from "../schema/problem";
import { poolsWithEngine, withEngine } from "./nodes";
import { platformSchema, type Platform } from "./schema";

/** The areas of a platform that have no problem of their own. All nodes have an engine. */
export type ValidAreas = Partial<Omit<Platform, "nodeGroups">> & {
  /** Valid node groups, by their index in the input. */
  readonly nodeGroups: ReadonlyMap<number, Platform["nodeGroups"][number]>;
  /** Names of the areas that the input has, valid or not. */
  readonly given: ReadonlySet<string>;
};

/** Returns the areas of an input that none of the problems is about. */
export function validAreas(
  input: unknown,
  output: Partial<Platform> | undefined,
  problems: readonly Problem[],
): ValidAreas {
  const isMapping = typeof input === "object" && input !== null && !Array.isArray(input);
  if (!isMapping || !output) return { nodeGroups: new Map(), given: new Set() };
  const invalid = new Set(problems.map(({ path }) => path[0]));
  const entries = Object.entries(output).filter(
    ([area]) => area in platformSchema.entries && !invalid.has(area),
  );
  const invalidGroups = new Set(
    problems.filter(({ path }) => path[0] === "nodeGroups").map(({ path }) => path[1]),
  );
  const groups = Array.isArray(output.nodeGroups) && !invalidGroups.has(undefined) ? output.nodeGroups : [];
  const valid = Object.fromEntries(entries) as Partial<Platform>;
  const kind = engineKindOf("engine" in input ? input.engine : undefined);
  return {
    ...valid,
    ...(valid.karpenter && { karpenter: poolsWithEngine(valid.karpenter, kind) }),
    nodeGroups: new Map(
      groups.flatMap((group, index) =>
        invalidGroups.has(index) ? [] : [[index, withEngine(group, kind)] as const],
      ),
    ),
    given: new Set(Object.entries(input).flatMap(([area, value]) => (value === undefined ? [] : [area]))),
  };
}
