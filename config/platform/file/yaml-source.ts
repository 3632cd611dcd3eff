import { isScalar, parseAllDocuments, visit, type Alias, type Document, type Node } from "yaml";
import type { Problem } from "../../schema/problem";
import { isToken } from "../../schema/rule";

/** Largest cedana.yaml that is read: room for a thousand node groups. */
const MAX_BYTES = 1024 * 1024;

/** A problem of the text itself, by its offset in UTF-16 units. */
export interface TextProblem {
  readonly offset: number;
  readonly problem: Problem;
}

export interface YamlSource {
  readonly text: string;
  /** Absent if the text cannot be parsed. With problems it is incomplete. */
  readonly document?: Document;
  readonly problems: readonly TextProblem[];
}

/** Parses a file with one YAML 1.2 document. Returns all problems of the text. */
export function parseYaml(source: Uint8Array | string): YamlSource {
  const text = decode(source);
  if (typeof text !== "string") return { text: "", problems: [textProblem(0, text)] };
  const character = forbiddenCharacter(text);
  if (character) return { text, problems: [character] };
  const documents = parseAllDocuments(text, { prettyErrors: false, stringKeys: true });
  const [document, second] = Array.isArray(documents) ? documents : [];
  if (document === undefined || isEmpty(document)) return { text, problems: [textProblem(0, EMPTY)] };
  const problems = documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]).map(syntaxProblem);
  if (second) problems.push(textProblem(second.range?.[0] ?? 0, SECOND_DOCUMENT));
  return { text, document, problems: [...problems, ...checkNodes(document)] };
}

/** Returns the data of a document, or undefined if its aliases expand to too much. */
export function dataOf(document: Document): { readonly value: unknown } | undefined {
  try {
    return { value: document.toJS() as unknown };
  } catch (error) {
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

type Unplaced = Omit<Problem, "path">;

function textProblem(offset: number, problem: Unplaced): TextProblem {
  return { offset, problem: { path: [], ...problem } };
}

/** Returns the text without its byte order mark, or why there is none. */
function decode(source: Uint8Array | string): string | Unplaced {
  if (source.length > MAX_BYTES) {
    const given = `${(source.length / MAX_BYTES).toFixed(1)} MiB`;
    return { code: "file-too-large", message: "is too large", given, allowed: "at most 1 MiB" };
  }
  if (typeof source === "string") return source.replace(/^\uFEFF/, "");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(source);
  } catch {
    return { code: "not-utf8", message: "is not UTF-8 text", remedy: "save the file as UTF-8" };
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
    message: "has a character that YAML does not allow",
    given: `U+${code}`,
    remedy: "delete it",
  });
}

function isEmpty({ contents, errors }: Document): boolean {
  return errors.length === 0 && (contents === null || (isScalar(contents) && contents.value === null));
}

const EMPTY: Unplaced = {
  code: "empty-file",
  message: "is empty",
  allowed: "a mapping with version: 1",
  remedy: "cedana-cdk init writes a file to start from",
};

const SECOND_DOCUMENT: Unplaced = {
  code: "several-documents",
  message: "starts a second document",
  allowed: "one document",
  remedy: "put each platform into its own file",
};

interface SyntaxError {
  readonly code: string;
  readonly message: string;
  readonly pos: readonly [number, number];
}

function syntaxProblem({ code, message, pos: [offset] }: SyntaxError): TextProblem {
  switch (code) {
    case "DUPLICATE_KEY":
      return textProblem(offset, {
        code: "duplicate-key",
        message: "is set twice",
        remedy: "delete one of them",
      });
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

/** Finds what YAML accepts and a reader does not expect: merge keys, Terraform tokens, aliases of no value. */
function checkNodes(document: Document): TextProblem[] {
  const problems: TextProblem[] = [];
  const add = (node: Node, problem: Unplaced) => problems.push(textProblem(node.range?.[0] ?? 0, problem));
  visit(document, {
    Pair: (_, { key }) => {
      if (isScalar(key) && key.value === "<<") add(key, MERGE_KEY);
    },
    Scalar: (_, scalar) => {
      if (isToken(scalar.value)) add(scalar, TOKEN);
    },
    Alias: (_, alias, ancestors) => {
      const problem = aliasProblem(alias, document, ancestors as readonly Node[]);
      if (problem) add(alias, problem);
    },
  });
  return problems;
}

const MERGE_KEY: Unplaced = {
  code: "merge-key",
  message: "is a merge key, which YAML 1.2 does not have",
  remedy: "write the properties out, or repeat a whole value by &anchor and *alias",
};

const TOKEN: Unplaced = {
  code: "terraform-token",
  message: "contains a Terraform token, which is only valid in programs",
  remedy: "write the value itself",
};

export const TOO_MANY_ALIASES: Problem = {
  code: "too-many-aliases",
  path: [],
  message: "repeats too much by aliases",
  remedy: "write the values out",
};

function aliasProblem(alias: Alias, document: Document, ancestors: readonly Node[]): Unplaced | undefined {
  const anchored = alias.resolve(document);
  const given = `*${alias.source}`;
  if (anchored === undefined) {
    const remedy = `put &${alias.source} before the value`;
    return { code: "unknown-alias", message: "has no anchor above it", given, remedy };
  }
  return ancestors.includes(anchored)
    ? { code: "circular-alias", message: "is inside its own anchor", given, remedy: "write the value out" }
    : undefined;
}
