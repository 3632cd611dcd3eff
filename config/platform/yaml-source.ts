import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  visit,
  type Alias,
  type Document,
  type Node,
  type YAMLMap,
} from "yaml";
import type { Problem } from "../schema/problem";
import { isToken } from "../schema/token";
import type { TextProblem } from "./source";

/** How many times the text behind aliases may be repeated in all. */
export const MAX_ALIASES = 100;

export interface YamlSource {
  readonly lines: LineCounter;
  /** Left out if the text is not one YAML document. */
  readonly document?: Document;
  readonly problems: readonly TextProblem[];
}

/** Parses one YAML 1.2 document. All problems of the text are returned together. */
export function parseYaml(text: string): YamlSource {
  const lines = new LineCounter();
  const documents = parseAll(text, lines);
  if (!Array.isArray(documents)) return { lines, problems: [documents] };
  const [document, second] = documents;
  if (document === undefined || isEmpty(document)) return { lines, problems: [emptyFile()] };
  const problems = documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]).map(syntaxProblem);
  if (second !== undefined) problems.push(severalDocuments(second));
  if (problems.length > 0) return { lines, problems };
  return { lines, document, problems: checkStructure(document) };
}

function parseAll(text: string, lines: LineCounter): Document[] | TextProblem {
  try {
    const documents = parseAllDocuments(text, {
      lineCounter: lines,
      prettyErrors: false,
      stringKeys: true,
      uniqueKeys: false, // its cost grows with the square of the keys; checkStructure does it
    });
    return Array.isArray(documents) ? documents : [];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { offset: 0, problem: { code: "too-deep", path: [], message: "is nested too deep to be read" } };
  }
}

function isEmpty(document: Document): boolean {
  const { contents, errors } = document;
  return errors.length === 0 && (contents === null || (isScalar(contents) && contents.value === null));
}

function emptyFile(): TextProblem {
  return {
    offset: 0,
    problem: {
      code: "empty-file",
      path: [],
      message: "has nothing in it",
      allowed: "a mapping with version: 1",
      remedy: "cedana-cdk init writes a file to begin with",
    },
  };
}

function severalDocuments(second: Document): TextProblem {
  return {
    offset: second.range?.[0] ?? 0,
    problem: {
      code: "several-documents",
      path: [],
      message: "begins a second document",
      allowed: "one document",
      remedy: "put each platform into a file of its own",
    },
  };
}

function syntaxProblem(error: {
  code: string;
  message: string;
  pos: readonly [number, number];
}): TextProblem {
  const tab = error.code === "TAB_AS_INDENT";
  return {
    offset: error.pos[0],
    problem: {
      code: tab ? "tab" : "yaml-syntax",
      path: [],
      message:
        error.code === "NON_STRING_KEY"
          ? "is a key that is no plain text"
          : `is not YAML: ${error.message.replace(/\.$/, "").replace(/^[A-Z](?=[a-z])/, (first) => first.toLowerCase())}`,
      ...(tab ? { remedy: "indent with spaces" } : {}),
    },
  };
}

/** What YAML would let pass but a reader would not see: repeated keys, merge keys, aliases into themselves. */
function checkStructure(document: Document): TextProblem[] {
  const problems: TextProblem[] = [];
  const add = (node: Node | null | undefined, problem: Omit<Problem, "path">) =>
    problems.push({ offset: node?.range?.[0] ?? 0, problem: { path: [], ...problem } });
  visit(document, {
    Map: (_, map) => checkKeys(map, add),
    Scalar: (_, { value }, ancestors) => {
      if (isToken(value)) add(ancestors.at(-1) as Node, TOKEN);
    },
    Alias: (_, alias, ancestors) => {
      const problem = checkAlias(alias, document, ancestors as readonly Node[]);
      if (problem) add(alias, problem);
    },
  });
  if (problems.length === 0 && repeatedNodes(document) === undefined)
    add(document.contents, TOO_MANY_ALIASES);
  return problems;
}

const TOKEN = {
  code: "terraform-token",
  message: "is a mark that cdktf uses inside programs",
  remedy: "write the value itself",
};

const TOO_MANY_ALIASES = {
  code: "too-many-aliases",
  message: "repeats too much by aliases",
  allowed: `at most ${MAX_ALIASES} repetitions, counted with those inside of others`,
};

function checkKeys(map: YAMLMap, add: (node: Node, problem: Omit<Problem, "path">) => void): void {
  const seen = new Set<unknown>();
  for (const { key } of map.items) {
    if (!isScalar(key)) continue;
    if (key.value === "<<") {
      add(key, {
        code: "merge-key",
        message: "is a merge key, which YAML 1.2 does not have",
        remedy: "write the properties out, or repeat a whole value by &anchor and *alias",
      });
    }
    if (seen.has(key.value)) {
      add(key, {
        code: "duplicate-key",
        message: "stands here a second time",
        given: String(key.value),
        remedy: "leave one out: only the last would count",
      });
    }
    seen.add(key.value);
  }
}

function checkAlias(
  alias: Alias,
  document: Document,
  ancestors: readonly Node[],
): Omit<Problem, "path"> | undefined {
  const anchored = alias.resolve(document);
  if (anchored === undefined) {
    return {
      code: "unknown-alias",
      message: "names an anchor that is not above it",
      given: `*${alias.source}`,
      remedy: `put &${alias.source} before the value that is meant`,
    };
  }
  if (!ancestors.includes(anchored)) return undefined;
  return {
    code: "circular-alias",
    message: "is an alias inside of its own anchor",
    given: `*${alias.source}`,
    remedy: "write the value out",
  };
}

/** How many nodes aliases add, or undefined if more than allowed. Memory and time stay within the limit, too. */
function repeatedNodes(document: Document): number | undefined {
  const expanded = new Map<Node, number>();
  const count = (node: unknown): number => {
    if (isAlias(node)) {
      const anchored = node.resolve(document);
      return anchored === undefined ? 0 : 1 + count(anchored);
    }
    if (!isMap(node) && !isSeq(node)) return 0;
    const known = expanded.get(node);
    if (known !== undefined) return known;
    const children: unknown[] = isMap(node) ? node.items.map(({ value }) => value) : node.items;
    const sum = children.reduce<number>((total, child) => total + count(child), 0);
    expanded.set(node, sum);
    return sum;
  };
  const total = count(document.contents);
  return total <= MAX_ALIASES ? total : undefined;
}
