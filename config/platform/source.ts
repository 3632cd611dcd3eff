import type { Problem } from "../schema/problem";

/** Largest cedana.yaml that is read: a thousand node groups fit in, and nothing bigger is worth parsing. */
export const MAX_BYTES = 1024 * 1024;

/** A problem of the text itself, by its offset in UTF-16 units. */
export interface TextProblem {
  readonly offset: number;
  readonly problem: Problem;
}

export type DecodedSource =
  | { readonly text: string; readonly problem?: undefined }
  | { readonly problem: Problem };

/** Bytes of a file as text without its byte order mark; too large or not UTF-8 is a problem. */
export function decodeSource(source: Uint8Array | string): DecodedSource {
  const size = typeof source === "string" ? source.length : source.byteLength;
  if (size > MAX_BYTES) {
    return {
      problem: {
        code: "file-too-large",
        path: [],
        message: "is too large to be a platform file",
        given: `${(size / 1024 / 1024).toFixed(1)} MiB`,
        allowed: "at most 1 MiB",
      },
    };
  }
  if (typeof source === "string") return { text: source.replace(/^\uFEFF/, "") };
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(source) };
  } catch {
    return {
      problem: {
        code: "not-utf8",
        path: [],
        message: "is not UTF-8 text",
        allowed: "UTF-8, with or without a byte order mark",
        remedy: "save the file as UTF-8",
      },
    };
  }
}

// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F\uD800-\uDFFF]/u;

/** The first character that YAML does not allow, if any. */
export function findControlCharacter(text: string): TextProblem | undefined {
  const offset = text.search(FORBIDDEN);
  if (offset < 0) return undefined;
  const code = text.codePointAt(offset) ?? 0;
  return {
    offset,
    problem: {
      code: "control-character",
      path: [],
      message: "holds a character that YAML does not allow",
      given: `U+${code.toString(16).toUpperCase().padStart(4, "0")}`,
      remedy: "take it out",
    },
  };
}

/** Deepest nesting that is read; the properties of the schema need ten. The parser's cost grows with its square. */
const MAX_DEPTH = 64;

/** Where the text is nested too deep, counted without parsing it: brackets, and list or key marks in one line. */
export function findDeepNesting(text: string): TextProblem | undefined {
  const offset = deepBracket(text) ?? text.search(new RegExp(`(?:[-?:] {1,8}){${MAX_DEPTH}}`));
  if (offset < 0) return undefined;
  return {
    offset,
    problem: {
      code: "too-deep",
      path: [],
      message: "is nested too deep to be read",
      allowed: `at most ${MAX_DEPTH} levels`,
    },
  };
}

function deepBracket(text: string): number | undefined {
  let depth = 0;
  for (let offset = 0; offset < text.length; offset++) {
    const character = text[offset];
    if (character === "[" || character === "{") depth++;
    else if (character === "]" || character === "}") depth = Math.max(depth - 1, 0);
    if (depth > MAX_DEPTH) return offset;
  }
  return undefined;
}
