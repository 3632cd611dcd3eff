import type { Problem } from "../schema/problem";
import { platformSchema, type Platform } from "./schema";

/** What a file says in the areas that are right in themselves. */
export type RightAreas = Partial<Omit<Platform, "nodeGroups">> & {
  /** By their index in the file; those that are not right are left out. */
  readonly nodeGroups: ReadonlyMap<number, Platform["nodeGroups"][number]>;
  /** Areas that the file has, right or not. */
  readonly given: ReadonlySet<string>;
};

/** The areas of a file that no problem is about. */
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
  return {
    ...(Object.fromEntries(entries) as Partial<Platform>),
    nodeGroups: new Map(
      groups.flatMap((group, index) => (wrongGroups.has(index) ? [] : [[index, group] as const])),
    ),
    given: new Set(Object.keys(input)),
  };
}
