import {
  LineCounter,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Document,
  type Node,
  type Pair,
  type YAMLMap,
} from "yaml";
import { formatProblem, type Problem, type PropertyPath } from "../../schema/problem";
import { checkPlatform } from "../check";
import type { Platform } from "../schema";
import { findSecrets, redact, secretProblem, type FoundSecret } from "./secrets";
import { TOO_MANY_ALIASES, dataOf, parseYaml, type TextProblem } from "./yaml-source";

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

/** A node of the file and the key it stands under, if any. */
export interface Place {
  readonly key?: Node;
  readonly value?: Node;
  /** False if the path leads to a property that the file does not have: the place is then its nearest parent's. */
  readonly found: boolean;
}

/** Follows aliases, because what is wrong is written where the anchor is. */
function target(document: Document, node: unknown): Node | undefined {
  return (isAlias(node) ? node.resolve(document) : node) as Node | undefined;
}

/** The place that a property path leads to. */
export function findPlace(document: Document, path: PropertyPath): Place {
  let place: Place = { value: target(document, document.contents), found: true };
  for (const part of path) {
    const next = child(document, place.value, part);
    if (next === undefined) return { ...place, found: false };
    place = next;
  }
  return place;
}

function child(document: Document, parent: Node | undefined, part: string | number): Place | undefined {
  if (isSeq(parent) && typeof part === "number") {
    const item = target(document, parent.items[part]);
    return item === undefined ? undefined : { value: item, found: true };
  }
  if (!isMap(parent)) return undefined;
  const pair = pairsOf(parent).get(String(part));
  if (pair === undefined) return undefined;
  return { key: pair.key, value: target(document, pair.value), found: true };
}

const PAIRS = new WeakMap<YAMLMap, ReadonlyMap<string, Pair<Node, Node | null>>>();

/** Pairs by key, kept: a file can have tens of thousands of problems in one mapping. */
function pairsOf(map: YAMLMap): ReadonlyMap<string, Pair<Node, Node | null>> {
  const known = PAIRS.get(map);
  if (known) return known;
  const pairs = map.items as Pair<Node, Node | null>[];
  const byKey = new Map(pairs.map((pair) => [isScalar(pair.key) ? String(pair.key.value) : "", pair]));
  PAIRS.set(map, byKey);
  return byKey;
}

/** The text range that a problem is about: its key, its value, or for what is missing its parent. */
export function findRange(document: Document, problem: Problem): readonly [start: number, end: number] {
  const place = findPlace(document, problem.path);
  const key = place.key?.range;
  const value = place.value?.range;
  const empty = value === undefined || value === null || value[0] === value[1];
  const aboutKey = problem.code === "unknown-key" || isAboutKey(problem);
  const block = isCollection(place.value) && place.value.flow !== true;
  const chosen = key && (aboutKey || empty || block || !place.found) ? key : (value ?? key);
  return chosen ? [chosen[0], chosen[1]] : [0, 0];
}

/** A rule on the keys of a free mapping (labels, say) gives the key itself as what was given. */
function isAboutKey({ path, given }: Problem): boolean {
  const last = path.at(-1);
  return typeof last === "string" && given === JSON.stringify(last) && last.length < 78;
}

/** The property whose key or value holds the offset; the nearest mapping or list around it if none does. */
export function pathAt(document: Document, offset: number): PropertyPath {
  const path: (string | number)[] = [];
  let node: unknown = document.contents;
  for (;;) {
    const index = isCollection(node) ? node.items.findIndex((item) => holds(item, offset)) : -1;
    if (isSeq(node) && index >= 0) {
      path.push(index);
      node = node.items[index];
    } else if (isMap(node) && index >= 0) {
      const { key, value } = node.items[index] as Pair<Node, Node | null>;
      path.push(isScalar(key) ? String(key.value) : "?");
      node = value;
    } else {
      return path;
    }
  }
}

function holds(item: unknown, offset: number): boolean {
  const nodes = isPair(item) ? [item.key, item.value] : [item];
  return nodes.some((node) => {
    const range = (node as Node | null | undefined)?.range;
    return range !== undefined && range !== null && range[0] <= offset && offset < range[1];
  });
}
