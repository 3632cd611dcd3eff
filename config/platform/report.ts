import { formatProblem } from "../schema/problem";
import type { LocatedProblem } from "./read";

/**
 * One line: `cedana.yaml:7:12  nodeGroups[0].scaling.min  what is wrong; given: ...; allowed: ...; how to mend it`.
 * In place of the property stands `(root)` where the problem is of the file as a whole.
 */
export function formatLocated(file: string, problem: LocatedProblem): string {
  return `${file}:${problem.line}:${problem.column}  ${formatProblem(problem)}`;
}
