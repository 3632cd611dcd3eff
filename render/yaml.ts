/** Writes Kubernetes objects as YAML with stable bytes, parsed alike by readers of YAML 1.1 and 1.2. */
import { InvalidInputError } from "../config/schema";

/** Deeper than any manifest. A cyclic value is reported instead of overflowing the stack. */
const MAX_DEPTH = 200;
/** An implicit key may have 1024 characters (YAML 1.2, 8.2.2). */
const MAX_IMPLICIT_KEY = 1000;
/** With the flag u this matches unpaired surrogates only. */
const HALF_PAIR = /\p{Surrogate}/u;

/**
 * Returns plain JSON data as one YAML document that YAML 1.1 and 1.2 readers parse alike. Keys keep their order; undefined
 * properties are omitted; text of several lines becomes a block literal. The output is deterministic. Takes time linear in the
 * size of the data.
 * @throws InvalidInputError, with the path, for functions, dates, NaN, bigint, unpaired surrogates and cycles
 */
export function toYaml(data: unknown): string {
  return new Emitter().value(data, "", false).slice(1);
}

/** Returns several documents, separated by `---`. */
export function toYamlStream(documents: readonly unknown[]): string {
  return documents.map(toYaml).join("---\n");
}

class Emitter {
  /** Path of the current value, for errors. */
  private readonly path: (string | number)[] = [];

  /**
   * Returns the text after `key:` or `-`: a space and a scalar, or (unless `compact`, after a dash) a new line and a block.
   * Ends with a line feed.
   */
  value(data: unknown, indent: string, compact: boolean): string {
    switch (typeof data) {
      case "string":
        return ` ${this.text(data, indent)}\n`;
      case "boolean":
        return data ? " true\n" : " false\n";
      case "number":
        return ` ${this.number(data)}\n`;
      case "object":
        if (data === null) return " null\n";
        if (this.path.length > MAX_DEPTH) this.fail(`is nested deeper than ${MAX_DEPTH} levels`, "a cycle?");
        if (Array.isArray(data)) return this.list(data, indent, compact);
        return this.mapping(data, indent, compact);
      default:
        return this.fail(`is a ${typeof data}, which a manifest cannot contain`);
    }
  }

  private list(items: readonly unknown[], indent: string, compact: boolean): string {
    if (items.length === 0) return " []\n";
    let text = "";
    for (let index = 0; index < items.length; index += 1) {
      this.path.push(index);
      const lead = index === 0 && compact ? " " : index === 0 ? `\n${indent}` : indent;
      text += `${lead}-${this.value(items[index], `${indent}  `, true)}`;
      this.path.pop();
    }
    return text;
  }

  private mapping(data: object, indent: string, compact: boolean): string {
    const prototype = Object.getPrototypeOf(data) as object | null;
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      this.fail(`is a ${prototype.constructor.name}, which a manifest cannot contain`);
    }
    let text = "";
    for (const [key, item] of Object.entries(data) as [string, unknown][]) {
      if (item === undefined) continue;
      this.path.push(key);
      const lead = text !== "" ? indent : compact ? " " : `\n${indent}`;
      text += `${lead}${this.key(key, indent)}${this.value(item, `${indent}  `, false)}`;
      this.path.pop();
    }
    return text === "" ? " {}\n" : text;
  }

  private key(key: string, indent: string): string {
    const text = isPlain(key) ? key : quoted(this.whole(key));
    return text.length > MAX_IMPLICIT_KEY ? `? ${text}\n${indent}:` : `${text}:`;
  }

  private text(text: string, indent: string): string {
    if (isPlain(text)) return text;
    this.whole(text);
    return isLiteral(text) ? literal(text, indent === "" ? "  " : indent) : quoted(text);
  }

  private whole(text: string): string {
    return HALF_PAIR.test(text) ? this.fail("has an unpaired surrogate") : text;
  }

  /** In YAML 1.1 a number with an exponent needs a decimal point; 1e+21 would be a string. */
  private number(value: number): string {
    if (!Number.isFinite(value)) return this.fail(`is ${value}, which a manifest cannot contain`);
    const text = Object.is(value, -0) ? "0" : String(value);
    const exponent = text.indexOf("e");
    return exponent < 0 || text.includes(".") ? text : `${text.slice(0, exponent)}.0${text.slice(exponent)}`;
  }

  private fail(message: string, remedy?: string): never {
    throw new InvalidInputError("YAML output", [
      {
        code: "unsupported-value",
        path: this.path.slice(0, 12),
        message,
        allowed: "mappings, lists, text, finite numbers, true, false and null",
        ...(remedy === undefined ? {} : { remedy }),
      },
    ]);
  }
}

/*
 * Scalars. A string is unquoted only if readers of YAML 1.1 and YAML 1.2 agree that it is a string: kubectl, Helm, Kustomize,
 * Argo CD and Flux use different readers. Every check is linear in the length of the text.
 */

/** Allowed in a plain scalar: printable ASCII whose first character is not an indicator. */
const PLAIN = /^[A-Za-z0-9_/$(.-][\x20-\x7e]*$/;
/** Booleans and null of YAML 1.1, in any case: some readers accept more spellings than the specification. */
const WORDS = new Set(["y", "n", "yes", "no", "on", "off", "true", "false", "null"]);
/** All characters of numbers, dates, times and versions that look like numbers. */
const ONLY_NUMERIC = /^[0-9a-fA-FxXoO_:.,+\-tTzZ ]*$/;
const SIGN_THEN_LETTER = /^--?[A-Za-z]/;
const DOT_THEN_LETTER = /^\.[A-Za-z/]/;
/** `.inf`, and `.e+5`, `e8`: some readers of YAML 1.1 parse them as numbers. */
const NEARLY_NUMBER = /^-?(\.inf|\.nan|\.?e[-+0-9_])/i;

/** Characters that JSON does not escape, but that YAML forbids unescaped or that are invisible. */
const UNSAFE_RAW = /[\x7f-\xa0\xad\u2028\u2029\ufeff\ufffe\uffff]/g;
/** Not allowed in a block literal, which has no escapes. Tab and line feed are allowed. */
const NO_LITERAL = /(?![\t\n])\p{Cc}|[\xa0\xad\u2028\u2029\ufeff\ufffe\uffff]/u;

/** Returns true if every YAML reader parses the unquoted text in block context as the same string. */
function isPlain(text: string): boolean {
  if (!PLAIN.test(text)) return false;
  const last = text.charCodeAt(text.length - 1);
  if (last === 0x20 || last === 0x3a) return false;
  if (text.includes(": ") || text.includes(" #")) return false;
  const first = text.charCodeAt(0);
  if (first >= 0x30 && first <= 0x39) return !ONLY_NUMERIC.test(text);
  if (NEARLY_NUMBER.test(text)) return false;
  // The value that Terraform inserts later can look like a number.
  if (first === 0x24 && text.startsWith("${TfToken[")) return false;
  if (first === 0x2d) return SIGN_THEN_LETTER.test(text);
  if (first === 0x2e) return DOT_THEN_LETTER.test(text);
  return text.length > 5 || !WORDS.has(text.toLowerCase());
}

/** Returns the text in double quotes with JSON's escapes, which YAML accepts. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(
    UNSAFE_RAW,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Returns true if a block literal preserves the lines exactly in every reader. */
function isLiteral(text: string): boolean {
  if (!text.includes("\n") || NO_LITERAL.test(text)) return false;
  const first = text.charCodeAt(0);
  if (first === 0x20 || first === 0x09 || first === 0x0a) return false;
  let end = text.length;
  while (text.charCodeAt(end - 1) === 0x0a) end -= 1;
  const last = text.charCodeAt(end - 1);
  return last !== 0x20 && last !== 0x09;
}

/** Returns a block literal: header and lines, without the final line feed. */
function literal(text: string, indent: string): string {
  const clipped = text.endsWith("\n");
  const header = !clipped ? "|-" : text.endsWith("\n\n") ? "|+" : "|";
  const body = clipped ? text.slice(0, -1) : text;
  return `${header}\n${body
    .split("\n")
    .map((line) => (line === "" ? "" : indent + line))
    .join("\n")}`;
}
