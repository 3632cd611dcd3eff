import { engineKindOf } from "../engines";
import type { Problem } from "../schema/problem";
import { poolsWithEngine, withEngine } from "./node-engine";
import { platformSchema, type Platform } from "./schema";

/** The areas of a file that have no problem. Nodes that name no engine have that of the file. */
export type RightAreas = Partial<Omit<Platform, "nodeGroups">> & {
  /** By their index in the file; those that are not right are left out. */
  readonly nodeGroups: ReadonlyMap<number, Platform["nodeGroups"][number]>;
  /** Areas that the file has, right or not. */
  readonly given: ReadonlySet<string>;
};

/** Returns the areas of a file that have no problem. */
export function rightAreas(
  input: unknown,
  output: Partial<Platform> | undefined,
  problems: readonly Problem[],
): RightAreas {
  const isMapping = typeof input === "object" && input !== null && !Array.isArray(input);
  if (!isMapping || !output) return { nodeGroups: new Map(), given: new Set() };
  const wrong = new Set(problems.map(({ path }) => path[0]));
  const entries = Object.entries(output).filter(
    ([area]) => area in platformSchema.entries && !wrong.has(area),
  );
  const wrongGroups = new Set(
    problems.filter(({ path }) => path[0] === "nodeGroups").map(({ path }) => path[1]),
  );
  const groups = Array.isArray(output.nodeGroups) && !wrongGroups.has(undefined) ? output.nodeGroups : [];
  const kind = "engine" in input ? engineKindOf(input.engine) : undefined;
  const right = Object.fromEntries(entries) as Partial<Platform>;
  return {
    ...right,
    ...(right.karpenter && { karpenter: poolsWithEngine(right.karpenter, kind) }),
    nodeGroups: new Map(
      groups.flatMap((group, index) =>
        wrongGroups.has(index) ? [] : [[index, withEngine(group, kind)] as const],
      ),
    ),
    given: new Set(Object.keys(input)),
  };
}
