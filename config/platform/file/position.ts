import {
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
import type { Problem, PropertyPath } from "../../schema/problem";

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
