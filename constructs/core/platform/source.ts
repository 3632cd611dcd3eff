import type { Problem } from "../problem";

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
