/** Inputs that are nearly valid: a corpus, changed at random places. fast-check shrinks the list of changes. */
import * as fc from "fast-check";
import type { Json } from "../../http";

/** Names and values that readers of JavaScript handle wrongly most often. */
const HOSTILE_KEYS = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "length", ""];
const HOSTILE_TEXTS = [
  ...HOSTILE_KEYS,
  "\0",
  "\n",
  "\r\n",
  "\uFEFF",
  "\uD800",
  "é",
  "😀",
  "a".repeat(300),
  "../..",
  "null",
  "0",
  "-1",
  "1e999",
  "9007199254740993",
  "NaN",
  "{}",
  "[[[[[[[[",
  "%00",
  "${x}",
  "sha256:",
  " ",
];

type Edit =
  | { readonly is: "remove"; readonly at: number; readonly length: number }
  | { readonly is: "insert"; readonly at: number; readonly text: string }
  | { readonly is: "repeat"; readonly at: number; readonly length: number; readonly times: number }
  | { readonly is: "splice"; readonly at: number; readonly other: number; readonly from: number };

const place = () => fc.nat({ max: 1_000_000 });

function edits(dictionary: readonly string[]): fc.Arbitrary<Edit> {
  const texts = fc.oneof(
    fc.constantFrom(...dictionary, ...HOSTILE_TEXTS),
    fc.string({ maxLength: 8 }),
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  return fc.oneof(
    fc.record({ is: fc.constant("remove" as const), at: place(), length: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ is: fc.constant("insert" as const), at: place(), text: texts }),
    fc.record({
      is: fc.constant("repeat" as const),
      at: place(),
      length: fc.integer({ min: 1, max: 30 }),
      times: fc.integer({ min: 1, max: 60 }),
    }),
    fc.record({ is: fc.constant("splice" as const), at: place(), other: place(), from: place() }),
  );
}

function apply(text: string, edit: Edit, corpus: readonly string[]): string {
  const at = edit.at % (text.length + 1);
  switch (edit.is) {
    case "remove":
      return text.slice(0, at) + text.slice(at + edit.length);
    case "insert":
      return text.slice(0, at) + edit.text + text.slice(at);
    case "repeat":
      return text.slice(0, at) + text.slice(at, at + edit.length).repeat(edit.times) + text.slice(at);
    default: {
      const other = corpus[edit.other % corpus.length] ?? "";
      return text.slice(0, at) + other.slice(edit.from % (other.length + 1));
    }
  }
}

/** Returns texts of the corpus with up to eight changes. */
export function mutatedText(
  corpus: readonly string[],
  dictionary: readonly string[] = [],
): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...corpus), fc.array(edits(dictionary), { maxLength: 8 }))
    .map(([text, changes]) => changes.reduce((changed, edit) => apply(changed, edit, corpus), text));
}

type JsonEdit =
  | { readonly is: "replace"; readonly at: number; readonly value: Json }
  | { readonly is: "remove"; readonly at: number }
  | { readonly is: "rename"; readonly at: number; readonly key: string }
  | { readonly is: "add"; readonly at: number; readonly key: string; readonly value: Json }
  | { readonly is: "copy"; readonly at: number; readonly from: number };

const json = () => fc.jsonValue({ maxDepth: 2, noUnicodeString: false }) as fc.Arbitrary<Json>;

/** Returns values that a field may have by mistake or by intent. */
export function values(dictionary: readonly string[] = []): fc.Arbitrary<Json> {
  return fc.oneof(
    {
      arbitrary: fc.constantFrom<Json>(null, true, false, 0, -1, 1.5, 2 ** 53, "", [], {}, [null], [{}]),
      weight: 3,
    },
    { arbitrary: fc.constantFrom<Json>(...dictionary, ...HOSTILE_TEXTS), weight: 3 },
    { arbitrary: json(), weight: 1 },
  );
}

function jsonEdits(dictionary: readonly string[]): fc.Arbitrary<JsonEdit> {
  const keys = fc.constantFrom(...HOSTILE_KEYS, ...dictionary);
  return fc.oneof(
    fc.record({ is: fc.constant("replace" as const), at: place(), value: values(dictionary) }),
    fc.record({ is: fc.constant("remove" as const), at: place() }),
    fc.record({ is: fc.constant("rename" as const), at: place(), key: keys }),
    fc.record({ is: fc.constant("add" as const), at: place(), key: keys, value: values(dictionary) }),
    fc.record({ is: fc.constant("copy" as const), at: place(), from: place() }),
  );
}

/** Returns JSON values of the corpus with up to six changes, which can have own properties of every name. */
export function mutatedJson(corpus: readonly Json[], dictionary: readonly string[] = []): fc.Arbitrary<Json> {
  return fc
    .tuple(fc.constantFrom(...corpus), fc.array(jsonEdits(dictionary), { maxLength: 6 }))
    .map(([value, changes]) => changes.reduce(changed, value));
}

/** Returns JSON texts: mutated values, mutated text, and any JSON. */
export function jsonTexts(corpus: readonly Json[], dictionary: readonly string[] = []): fc.Arbitrary<string> {
  return fc.oneof(
    { arbitrary: mutatedJson(corpus, dictionary).map((value) => JSON.stringify(value)), weight: 6 },
    {
      arbitrary: mutatedText(
        corpus.map((value) => JSON.stringify(value)),
        dictionary,
      ),
      weight: 3,
    },
    { arbitrary: fc.json({ maxDepth: 4 }), weight: 1 },
  );
}

/** Entries of one object or list, with the value that they are of. */
type Entries = readonly (readonly [string, Json])[];

function changed(root: Json, edit: JsonEdit): Json {
  const places = count(root);
  const copied = edit.is === "copy" ? nodeAt(root, edit.from % places) : null;
  let next = -1;
  const visit = (value: Json): Json | undefined => {
    next += 1;
    const isHere = next === edit.at % places;
    const inner = isContainer(value) ? entriesOf(value) : [];
    const found: (readonly [string, Json])[] = [];
    for (const [key, child] of inner) {
      const below = visit(child);
      if (below !== undefined) found.push([renamed(key, isHere, edit), below]);
    }
    if (isHere && edit.is === "remove") return undefined;
    if (isHere && edit.is === "replace") return edit.value;
    if (isHere && edit.is === "copy") return copied;
    if (isHere && edit.is === "add") found.push([edit.key, edit.value]);
    return isContainer(value) ? built(value, found) : value;
  };
  return visit(root) ?? null;
}

const renamed = (key: string, isHere: boolean, edit: JsonEdit) =>
  isHere && edit.is === "rename" ? edit.key : key;

function isContainer(value: Json): value is object & Json {
  return typeof value === "object" && value !== null;
}

const entriesOf = (value: object): Entries => Object.entries(value as Record<string, Json>);

/** Not by assignment, which would set the prototype for the name `__proto__`. */
function built(like: object, entries: Entries): Json {
  return Array.isArray(like) ? entries.map(([, value]) => value) : Object.fromEntries(entries);
}

function count(value: Json): number {
  if (!isContainer(value)) return 1;
  return entriesOf(value).reduce((sum, [, child]) => sum + count(child), 1);
}

function nodeAt(root: Json, place: number): Json {
  let left = place;
  const find = (value: Json): Json | undefined => {
    if (left-- === 0) return value;
    if (!isContainer(value)) return undefined;
    for (const [, child] of entriesOf(value)) {
      const found = find(child);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return find(root) ?? null;
}

/** Returns JSON values of the corpus with other texts, and the same structure: what an API server stores of a status. */
export function mutatedTexts(
  corpus: readonly Json[],
  dictionary: readonly string[] = [],
): fc.Arbitrary<Json> {
  const text = fc.oneof(
    fc.constantFrom(...dictionary, ...HOSTILE_TEXTS),
    mutatedText(dictionary.length === 0 ? [""] : dictionary),
  );
  const changes = fc.array(fc.record({ at: place(), text }), { maxLength: 5 });
  return fc.tuple(fc.constantFrom(...corpus), changes).map(([value, all]) =>
    all.reduce<Json>((given, { at, text }) => {
      const places = texts(given);
      let next = -1;
      const visit = (one: Json): Json => {
        if (typeof one === "string") {
          next += 1;
          return next === at % Math.max(places, 1) ? text : one;
        }
        return isContainer(one)
          ? built(
              one,
              entriesOf(one).map(([key, inner]) => [key, visit(inner)] as const),
            )
          : one;
      };
      return visit(given);
    }, value),
  );
}

function texts(value: Json): number {
  if (typeof value === "string") return 1;
  return isContainer(value) ? entriesOf(value).reduce((sum, [, inner]) => sum + texts(inner), 0) : 0;
}

/**
 * Returns long texts of one repeated piece, with another end: what takes a time that grows with the square of its length in an
 * expression that tries each start.
 */
export function pumped(pieces: readonly string[], length = 65_536): fc.Arbitrary<string> {
  return fc
    .record({
      piece: fc.constantFrom(...pieces),
      before: fc.constantFrom("", "a", "x/", '"', " "),
      after: fc.constantFrom("", "!", "a", "\n", "@", '"', "."),
      part: fc.constantFrom(1, 4, 64),
    })
    .map(({ piece, before, after, part }) => {
      const times = Math.floor(length / part / piece.length);
      return `${before}${piece.repeat(times)}${after}`;
    });
}
