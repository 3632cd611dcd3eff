import { engineKindOf, enginesWith } from "../engines";
import type { Problem } from "../schema/problem";

/** Returns an unknown key of `install` with the remedy to move it to `engine`, if an engine has a property at its path. */
export function withNewPlace(problem: Problem, input: unknown): Problem {
  const [area, ...path] = problem.path;
  if (problem.code !== "unknown-key" || area !== "install") return problem;
  const kinds = enginesWith(path);
  const [first] = kinds;
  if (first === undefined) return problem;
  const engine = (input as { readonly engine?: unknown } | null)?.engine;
  const place = ["engine", ...path].join(".");
  return {
    ...problem,
    remedy: kinds.includes(engineKindOf(engine))
      ? `move it to ${place}`
      : `remove it: only the engine ${kinds.join(", ")} has it, as ${place}`,
  };
}
