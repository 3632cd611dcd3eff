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
  type YAMLSeq,
} from "yaml";
import { formatProblem, type Problem, type PropertyPath } from "../../schema/problem";
import { checkPlatform, type AreaCheck } from "../check";
import type { Platform } from "../schema";
import { checkExpressions } from "./expressions";
import { findSecrets, redact, secretProblem, type FoundSecret } from "./secrets";
import { TOO_MANY_ALIASES, dataOf, parseYaml, type TextProblem } from "./yaml-source";

/** Describes a problem and its position in the file. Lines and columns start at 1. Columns count UTF-16 code units. */
export interface LocatedProblem extends Problem {
  readonly line: number;
  readonly column: number;
}

/** Result of reading a file: the platform or its problems. */
export type PlatformFile =
  | { readonly platform: Platform; readonly problems?: undefined }
  | { readonly problems: readonly LocatedProblem[] };

/**
 * Parses and checks a cedana.yaml. Returns the platform with its defaults, or all problems in the order of the file. No
 * problem repeats a secret of the file.
 * @param more - further checks, as in `checkPlatform`
 */
export function readPlatform(source: Uint8Array | string, ...more: readonly AreaCheck[]): PlatformFile {
  const { text, document, problems } = parseYaml(source);
  const secrets = findSecrets(text, document);
  let found = [
    ...problems,
    ...secrets.map((secret) => ({ offset: secret.start, problem: secretProblem(secret) })),
  ].map(({ offset, problem }) => ({
    offset,
    problem: document ? { ...problem, path: pathAt(document, offset) } : problem,
  }));
  let platform: Platform | undefined;
  if (document && problems.length === 0) {
    const data = dataOf(document);
    const checked = data ? checkPlatform(data.value, ...more) : { problems: [TOO_MANY_ALIASES] };
    platform = checked.platform;
    const all = [...checked.problems, ...(data ? checkExpressions(data.value) : [])];
    // Not by push, whose number of arguments is limited.
    found = [...found, ...all.flatMap((problem) => locate(document, problem, secrets))];
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

/** Returns the problem with its offset in the text. Drops secrets that were already found in the text. */
function locate(document: Document, problem: Problem, secrets: readonly FoundSecret[]): TextProblem[] {
  const [start, end] = findRange(document, problem);
  const isKnown = secrets.some((secret) => secret.start >= start && secret.end <= end);
  if (isKnown && problem.code === "secret-in-plain-text") return [];
  return [{ offset: start, problem: asWritten(document, problem) }];
}

/** Replaces the given value of a wrong type by its source text, such as 1.30, which YAML parses as 1.3. */
function asWritten(document: Document, problem: Problem): Problem {
  const { value, found } = findNode(document, problem.path);
  if (!found || problem.code !== "wrong-type" || !isScalar(value)) return problem;
  if (typeof value.value !== "number" || value.source === undefined) return problem;
  const remedy = problem.remedy === undefined ? {} : { remedy: `quote it: "${value.source}"` };
  return { ...problem, given: value.source, ...remedy };
}

/**
 * Formats a problem as one line:
 * `cedana.yaml:7:12  nodeGroups[0].scaling.min  what is wrong; given: ...; allowed: ...; how to fix it`. The property is
 * `(root)` if the problem concerns the whole file.
 */
export function formatLocated(file: string, problem: LocatedProblem): string {
  return `${file}:${problem.line}:${problem.column}  ${formatProblem(problem)}`;
}

/** Describes a node of the file and its key, if it is the value of one. */
export interface LocatedNode {
  readonly key?: Node;
  readonly value?: Node;
  /** False if the file has no property at the path. Key and value are then those of the nearest parent. */
  readonly found: boolean;
}

/** Resolves an alias to its anchor, because the invalid value is written there. */
function resolveAlias(document: Document, node: unknown): Node | undefined {
  return (isAlias(node) ? node.resolve(document) : node) as Node | undefined;
}

/** Returns the node at a property path. */
export function findNode(document: Document, path: PropertyPath): LocatedNode {
  let located: LocatedNode = { value: resolveAlias(document, document.contents), found: true };
  for (const part of path) {
    const next = child(document, located.value, part);
    if (next === undefined) return { ...located, found: false };
    located = next;
  }
  return located;
}

function child(document: Document, parent: Node | undefined, part: string | number): LocatedNode | undefined {
  if (isSeq(parent) && typeof part === "number") {
    const item = resolveAlias(document, parent.items[part]);
    return item === undefined ? undefined : { value: item, found: true };
  }
  if (!isMap(parent)) return undefined;
  const pair = pairsOf(parent).get(String(part));
  if (pair === undefined) return undefined;
  return { key: pair.key, value: resolveAlias(document, pair.value), found: true };
}

const PAIRS = new WeakMap<YAMLMap, ReadonlyMap<string, Pair<Node, Node | null>>>();

/** Returns the pairs of a mapping by key. Caches them: a file can have tens of thousands of problems in one mapping. */
function pairsOf(map: YAMLMap): ReadonlyMap<string, Pair<Node, Node | null>> {
  const known = PAIRS.get(map);
  if (known) return known;
  const pairs = map.items as Pair<Node, Node | null>[];
  const byKey = new Map(pairs.map((pair) => [isScalar(pair.key) ? String(pair.key.value) : "", pair]));
  PAIRS.set(map, byKey);
  return byKey;
}

/** Returns the text range of a problem: that of the key, the value, or, for a missing property, the parent. */
export function findRange(document: Document, problem: Problem): readonly [start: number, end: number] {
  const located = findNode(document, problem.path);
  const key = located.key?.range;
  const value = located.value?.range;
  const empty = value === undefined || value === null || value[0] === value[1];
  const concernsKey = problem.code === "unknown-key" || isKeyProblem(problem);
  const block = isCollection(located.value) && located.value.flow !== true;
  const chosen = key && (concernsKey || empty || block || !located.found) ? key : (value ?? key);
  return chosen ? [chosen[0], chosen[1]] : [0, 0];
}

/** Returns whether the problem concerns a key of a free-form mapping, such as labels: the given value is then the key. */
function isKeyProblem({ path, given }: Problem): boolean {
  const last = path.at(-1);
  return typeof last === "string" && given === JSON.stringify(last) && last.length < 78;
}

/** Returns the path of the property whose key or value contains the offset, or of the nearest mapping or list around it. */
export function pathAt(document: Document, offset: number): PropertyPath {
  const path: (string | number)[] = [];
  let node: unknown = document.contents;
  for (;;) {
    const index = isCollection(node) ? indexAt(node, offset) : -1;
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

const STARTS = new WeakMap<object, readonly number[]>();

/** Returns the index of the item that contains the offset, or -1. Items are in the order of the text. */
function indexAt(collection: YAMLMap | YAMLSeq, offset: number): number {
  const starts = STARTS.get(collection) ?? startsOf(collection.items);
  STARTS.set(collection, starts);
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (starts[middle]! <= offset) low = middle + 1;
    else high = middle;
  }
  return low > 0 && contains(collection.items[low - 1], offset) ? low - 1 : -1;
}

/** Returns where each item starts; one without a range starts where the one before it does. */
function startsOf(items: readonly unknown[]): readonly number[] {
  let last = 0;
  return items.map((item) => {
    const [first] = rangesOf(item);
    last = Math.max(last, first?.[0] ?? last);
    return last;
  });
}

function contains(item: unknown, offset: number): boolean {
  return rangesOf(item).some(([start, end]) => start <= offset && offset < end);
}

function rangesOf(item: unknown): readonly (readonly [number, number])[] {
  const nodes = isPair(item) ? [item.key, item.value] : [item];
  return nodes.flatMap((node) => {
    const range = (node as Node | null | undefined)?.range;
    return range === undefined || range === null ? [] : [[range[0], range[1]] as const];
  });
}
