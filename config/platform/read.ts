import { isScalar, type Document, type LineCounter } from "yaml";
import type { Problem } from "../schema/problem";
import { checkPlatform } from "./check";
import { findPlace, findRange, pathAt } from "./position";
import type { Platform } from "./schema";
import { findSecrets, redact, secretProblem, type FoundSecret } from "./secrets";
import { decodeSource, findControlCharacter, findDeepNesting, type TextProblem } from "./source";
import { parseYaml } from "./yaml-source";

/** A problem and where in the file it is. Lines and columns begin at 1; columns count UTF-16 units. */
export interface LocatedProblem extends Problem {
  readonly line: number;
  readonly column: number;
}

export type PlatformFile =
  | { readonly platform: Platform; readonly problems?: undefined }
  | { readonly problems: readonly LocatedProblem[] };

/** A file with more secrets than this is told of nothing else: it is not a platform file. */
const MAX_SECRETS = 100;

/**
 * Reads a whole cedana.yaml: parses it, checks every part of it, fills in defaults. Either the platform or all problems
 * of the file come back, in the order in which they stand in it. No problem repeats a secret that is in the file.
 */
export function readPlatform(source: Uint8Array | string): PlatformFile {
  const decoded = decodeSource(source);
  if (decoded.problem) return { problems: [{ ...decoded.problem, line: 1, column: 1 }] };
  const { text } = decoded;
  const unreadable = findControlCharacter(text) ?? findDeepNesting(text);
  const yaml = unreadable ? parseYaml("") : parseYaml(text);
  const { document, lines } = unreadable ? { ...yaml, document: undefined } : yaml;
  if (unreadable) lines.lineStarts = lineStarts(text);

  const secrets = findSecrets(text, document);
  if (secrets.length > MAX_SECRETS) return { problems: secrets.slice(0, MAX_SECRETS).map(alone(lines)) };
  const inText = [
    ...(unreadable ? [unreadable] : yaml.problems),
    ...secrets.map((secret) => ({ offset: secret.start, problem: { path: [], ...secretProblem(secret) } })),
  ];
  const found = inText.map(({ offset, problem }): TextProblem => {
    const path = document ? pathAt(document, offset) : [];
    return { offset, problem: redact({ ...problem, path }, [offset, offset], undefined, secrets) };
  });
  let platform: Platform | undefined;
  if (document && yaml.problems.length === 0) {
    const checked = checkPlatform(document.toJS({ maxAliasCount: -1 }));
    platform = checked.platform;
    found.push(...checked.problems.flatMap((problem) => locate(document, problem, secrets)));
  }
  if (platform && found.length === 0) return { platform };
  return { problems: inOrder(found.map((problem) => at(problem, lines))) };
}

function alone(lines: LineCounter): (secret: FoundSecret) => LocatedProblem {
  return (secret) => at({ offset: secret.start, problem: { path: [], ...secretProblem(secret) } }, lines);
}

function lineStarts(text: string): number[] {
  return [0, ...Array.from(text.matchAll(/\n/g), ({ index }) => index + 1)];
}

function at({ offset, problem }: TextProblem, lines: LineCounter) {
  const { line, col } = lines.linePos(offset);
  return { ...problem, line: Math.max(line, 1), column: Math.max(col, 1) };
}

function locate(document: Document, problem: Problem, secrets: readonly FoundSecret[]): TextProblem[] {
  const range = findRange(document, problem);
  const { value } = findPlace(document, problem.path);
  const known = secrets.some((secret) => secret.start >= range[0] && secret.end <= range[1]);
  if (known && problem.code === "secret-in-plain-text") return [];
  const told = redact(asWritten(document, problem), range, value, secrets);
  return [{ offset: range[0], problem: told }];
}

/** A number where text is wanted is shown as it is written: 1.30, which YAML reads as 1.3. */
function asWritten(document: Document, problem: Problem): Problem {
  const { value, found } = findPlace(document, problem.path);
  if (!found || problem.code !== "wrong-type" || !isScalar(value)) return problem;
  if (value.value === null) return { ...problem, given: "nothing" };
  if (typeof value.value !== "number" || value.source === undefined) return problem;
  const remedy = problem.remedy === undefined ? {} : { remedy: `put it in quotes: "${value.source}"` };
  return { ...problem, given: value.source, ...remedy };
}

function inOrder(problems: readonly LocatedProblem[]): LocatedProblem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}
