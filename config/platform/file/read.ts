import { isScalar, LineCounter, type Document } from "yaml";
import { formatProblem, type Problem } from "../../schema/problem";
import { checkPlatform } from "../check";
import { findPlace, findRange, pathAt } from "./position";
import type { Platform } from "../schema";
import { findSecrets, redact, secretProblem, type FoundSecret } from "./secrets";
import { dataOf, parseYaml, TOO_MANY_ALIASES, type TextProblem } from "./yaml-source";

/** A problem with its position in the file. Lines and columns start at 1; columns count UTF-16 units. */
export interface LocatedProblem extends Problem {
  readonly line: number;
  readonly column: number;
}

export type PlatformFile =
  | { readonly platform: Platform; readonly problems?: undefined }
  | { readonly problems: readonly LocatedProblem[] };

/**
 * Reads a cedana.yaml: parses it, checks all of it, fills in defaults. Returns the platform or all problems in the order of
 * the file. No problem repeats a secret of the file.
 */
export function readPlatform(source: Uint8Array | string): PlatformFile {
  const { text, document, problems } = parseYaml(source);
  const secrets = findSecrets(text, document);
  const found = [
    ...problems,
    ...secrets.map((secret) => ({ offset: secret.start, problem: secretProblem(secret) })),
  ].map(({ offset, problem }) => ({
    offset,
    problem: document ? { ...problem, path: pathAt(document, offset) } : problem,
  }));
  let platform: Platform | undefined;
  if (document && problems.length === 0) {
    const data = dataOf(document);
    const checked = data ? checkPlatform(data.value) : { problems: [TOO_MANY_ALIASES] };
    platform = checked.platform;
    found.push(...checked.problems.flatMap((problem) => locate(document, problem, secrets)));
  }
  if (platform && found.length === 0) return { platform };
  const lines = new LineCounter();
  lines.lineStarts = [0, ...Array.from(text.matchAll(/\n/g), ({ index }) => index + 1)];
  const located = found.map(({ offset, problem }) => {
    const { line, col } = lines.linePos(offset);
    return { ...redact(problem, secrets), line, column: col };
  });
  return { problems: located.toSorted((a, b) => a.line - b.line || a.column - b.column) };
}

/** Places a problem of the data in the text. A check of values may find a secret that was found in the text. */
function locate(document: Document, problem: Problem, secrets: readonly FoundSecret[]): TextProblem[] {
  const [start, end] = findRange(document, problem);
  const isKnown = secrets.some((secret) => secret.start >= start && secret.end <= end);
  if (isKnown && problem.code === "secret-in-plain-text") return [];
  return [{ offset: start, problem: asWritten(document, problem) }];
}

/** Shows a number in place of a string as it is written: 1.30, which YAML reads as 1.3. */
function asWritten(document: Document, problem: Problem): Problem {
  const { value, found } = findPlace(document, problem.path);
  if (!found || problem.code !== "wrong-type" || !isScalar(value)) return problem;
  if (value.value === null) return { ...problem, given: "nothing" };
  if (typeof value.value !== "number" || value.source === undefined) return problem;
  const remedy = problem.remedy === undefined ? {} : { remedy: `put it in quotes: "${value.source}"` };
  return { ...problem, given: value.source, ...remedy };
}

/**
 * One line: `cedana.yaml:7:12  nodeGroups[0].scaling.min  what is wrong; given: ...; allowed: ...; how to fix it`.
 * In place of the property stands `(root)` where the problem is of the file as a whole.
 */
export function formatLocated(file: string, problem: LocatedProblem): string {
  return `${file}:${problem.line}:${problem.column}  ${formatProblem(problem)}`;
}
