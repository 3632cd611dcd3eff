import { isCollection, isScalar, parseAllDocuments, visit, type Alias, type Document, type Node } from "yaml";
import type { Problem } from "../../schema/problem";
import { isToken } from "../../schema/rule";

/** Maximum size of a cedana.yaml, enough for a thousand node groups. */
const MAX_BYTES = 1024 * 1024;

/** Describes a problem of the text, with its offset in UTF-16 code units. */
export interface TextProblem {
  readonly offset: number;
  readonly problem: Problem;
}

export interface YamlSource {
  readonly text: string;
  /** Undefined if the text cannot be parsed. Incomplete if there are problems. */
  readonly document?: Document;
  readonly problems: readonly TextProblem[];
}

/** Parses a file with one YAML 1.2 document. Returns all problems of the text. */
export function parseYaml(source: Uint8Array | string): YamlSource {
  const text = decode(source);
  if (typeof text !== "string") return { text: "", problems: [textProblem(0, text)] };
  const character = forbiddenCharacter(text);
  if (character) return { text, problems: [character] };
  const documents = parseAllDocuments(text, { prettyErrors: false, stringKeys: true, uniqueKeys: false });
  const [document, second] = Array.isArray(documents) ? documents : [];
  if (document === undefined || isEmpty(document)) return { text, problems: [textProblem(0, EMPTY)] };
  const unquoted = findUnquoted(document, text);
  const problems = documents
    .flatMap(({ errors, warnings }) => [...errors, ...warnings])
    .filter(({ pos: [offset] }) => !unquoted.some(({ start, end }) => offset >= start && offset <= end))
    .map(syntaxProblem);
  if (second) problems.push(textProblem(second.range?.[0] ?? 0, SECOND_DOCUMENT));
  const values = unquoted.map(({ start, end }) =>
    textProblem(start, unquotedProblem(text.slice(start, end))),
  );
  return { text, document, problems: [...problems, ...values, ...checkNodes(document, unquoted)] };
}

/** Returns the data of a document, undefined if its aliases expand to too many values. */
export function dataOf(document: Document): { readonly value: unknown } | undefined {
  try {
    return { value: document.toJS() as unknown };
  } catch (error) {
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

type ProblemWithoutPath = Omit<Problem, "path">;

function textProblem(offset: number, problem: ProblemWithoutPath): TextProblem {
  return { offset, problem: { path: [], ...problem } };
}

/** Returns the text without its byte order mark, or the problem. */
function decode(source: Uint8Array | string): string | ProblemWithoutPath {
  if (source.length > MAX_BYTES) {
    const given = `${(source.length / MAX_BYTES).toFixed(1)} MiB`;
    return { code: "file-too-large", message: "is too large", given, allowed: "at most 1 MiB" };
  }
  if (typeof source === "string") return source.replace(/^\uFEFF/, "");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(source);
  } catch {
    return { code: "invalid-utf8", message: "is not UTF-8 text", remedy: "save the file as UTF-8" };
  }
}

// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F\uD800-\uDFFF]/u;

function forbiddenCharacter(text: string): TextProblem | undefined {
  const offset = text.search(FORBIDDEN);
  if (offset < 0) return undefined;
  const code = (text.codePointAt(offset) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return textProblem(offset, {
    code: "control-character",
    message: "contains a character that YAML does not allow",
    given: `U+${code}`,
    remedy: "remove it",
  });
}

function isEmpty({ contents, errors }: Document): boolean {
  return errors.length === 0 && (contents === null || (isScalar(contents) && contents.value === null));
}

const EMPTY: ProblemWithoutPath = {
  code: "empty-file",
  message: "is empty",
  allowed: "a mapping with version: 1",
  remedy: "run cedana-cdk init to create a file",
};

const SECOND_DOCUMENT: ProblemWithoutPath = {
  code: "multiple-documents",
  message: "starts a second document",
  allowed: "one document",
  remedy: "put each platform in a separate file",
};

interface SyntaxError {
  readonly code: string;
  readonly message: string;
  readonly pos: readonly [number, number];
}

function syntaxProblem({ code, message, pos: [offset] }: SyntaxError): TextProblem {
  switch (code) {
    case "NON_STRING_KEY":
      return textProblem(offset, { code: "yaml-syntax", message: "is a key that is not a string" });
    default: {
      const detail = message.replace(/\.$/, "").replace(/^[A-Z](?=[a-z])/, (first) => first.toLowerCase());
      const tab = code === "TAB_AS_INDENT";
      return textProblem(offset, {
        code: tab ? "tab" : "yaml-syntax",
        message: `is invalid YAML: ${detail}`,
        ...(tab && { remedy: "indent with spaces" }),
      });
    }
  }
}

/**
 * Rejects merge keys, Terraform tokens and invalid aliases, which the YAML parser accepts, and keys that are set twice: the parser
 * would compare each key with all before it, which takes minutes for a large file.
 */
function checkNodes(document: Document, unquoted: readonly Unquoted[]): TextProblem[] {
  const problems: TextProblem[] = [];
  const add = (node: Node, problem: ProblemWithoutPath) =>
    problems.push(textProblem(node.range?.[0] ?? 0, problem));
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) add(key, DUPLICATE_KEY);
        seen.add(key.value);
      }
    },
    Pair: (_, { key }) => {
      if (isScalar(key) && key.value === "<<") add(key, MERGE_KEY);
    },
    Scalar: (_, scalar) => {
      if (isToken(scalar.value)) add(scalar, TOKEN);
    },
    Alias: (_, alias, ancestors) => {
      if (unquoted.some(({ start }) => start === alias.range?.[0])) return;
      const problem = aliasProblem(alias, document, ancestors as readonly Node[]);
      if (problem) add(alias, problem);
    },
  });
  return problems;
}

const DUPLICATE_KEY: ProblemWithoutPath = {
  code: "duplicate-key",
  message: "is set twice",
  remedy: "remove one of them",
};

const MERGE_KEY: ProblemWithoutPath = {
  code: "merge-key",
  message: "is a merge key, which YAML 1.2 does not support",
  remedy: "repeat the properties, or reuse a whole value with &anchor and *alias",
};

const TOKEN: ProblemWithoutPath = {
  code: "terraform-token",
  message: "contains a Terraform token, which is only valid in programs",
  remedy: "replace it by a literal value",
};

export const TOO_MANY_ALIASES: Problem = {
  code: "too-many-aliases",
  path: [],
  message: "has aliases that expand to too many values",
  remedy: "replace aliases by their values",
};

/** A value that begins with *, such as a cron schedule, and that the parser takes for an alias. */
interface Unquoted {
  readonly start: number;
  readonly end: number;
}

/** Finds values that begin with * and are no alias: their name has other characters, or more words follow. */
function findUnquoted(document: Document, text: string): readonly Unquoted[] {
  const found: Unquoted[] = [];
  visit(document, {
    Alias: (_, alias, ancestors) => {
      const start = alias.range?.[0] ?? 0;
      const isInFlow = ancestors.some((one) => isCollection(one) && one.flow === true);
      const rest =
        (isInFlow ? /^[^\n,\]}]*/ : /^[^\n]*/).exec(text.slice(start, start + MAX_LINE))?.[0] ?? "";
      const value = rest.replace(/\s#.*$/, "").trimEnd();
      if (/^\*[\w-]+$/.test(value) || alias.resolve(document) !== undefined) return;
      found.push({ start, end: start + value.length });
    },
  });
  return found;
}

/** Longest value that a message repeats. */
const MAX_LINE = 256;

function unquotedProblem(value: string): ProblemWithoutPath {
  return {
    code: "unquoted-asterisk",
    message: "begins with *, which marks an alias in YAML",
    given: value,
    remedy: `quote it: ${JSON.stringify(value)}`,
  };
}

function aliasProblem(
  alias: Alias,
  document: Document,
  ancestors: readonly Node[],
): ProblemWithoutPath | undefined {
  const anchored = alias.resolve(document);
  const given = `*${alias.source}`;
  if (anchored === undefined) {
    const remedy = `put &${alias.source} before the value`;
    return { code: "unknown-alias", message: "has no earlier anchor", given, remedy };
  }
  return ancestors.includes(anchored)
    ? {
        code: "circular-alias",
        message: "is inside its own anchor",
        given,
        remedy: "replace the alias by its value",
      }
    : undefined;
}
