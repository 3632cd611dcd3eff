/**
 * One string as YAML. Written without quotes only where YAML 1.1 and YAML 1.2 readers agree that it is a string: kubectl,
 * Helm, Kustomize, Argo CD and Flux do not all read the same YAML. Every test here is linear in the length of the text.
 */

/** What may stand in a plain scalar at all: printable ASCII, beginning with a character that is no indicator. */
const PLAIN = /^[A-Za-z0-9_/$(.-][\x20-\x7e]*$/;
/** Read as something else in some YAML: booleans and null of 1.1, in any case, which is more than they say. */
const WORDS = new Set(["y", "n", "yes", "no", "on", "off", "true", "false", "null"]);
/** No number, date, time or version that looks like one is written with any other character than these. */
const ONLY_NUMERIC = /^[0-9a-fA-FxXoO_:.,+\-tTzZ ]*$/;
const SIGN_THEN_LETTER = /^--?[A-Za-z]/;
const DOT_THEN_LETTER = /^\.[A-Za-z/]/;
/** `.inf`; and `.e+5`, `e8`: numbers without digits to some readers of YAML 1.1. */
const NEARLY_NUMBER = /^-?(\.inf|\.nan|\.?e[-+0-9_])/i;

/** Characters that JSON leaves as they are and YAML must not hold raw, or that nobody would see. */
const UNSAFE_RAW = /[\x7f-\xa0\xad\u2028\u2029\ufeff\ufffe\uffff]/g;
/** What a block literal cannot hold: it has no escapes. Tab and line feed it can. */
const NO_LITERAL = /(?![\t\n])\p{Cc}|[\xa0\xad\u2028\u2029\ufeff\ufffe\uffff]/u;

/** True if every YAML reader takes the text, as it stands in block context, for that very string. */
export function isPlain(text: string): boolean {
  if (!PLAIN.test(text)) return false;
  const last = text.charCodeAt(text.length - 1);
  if (last === 0x20 || last === 0x3a) return false;
  if (text.includes(": ") || text.includes(" #")) return false;
  const first = text.charCodeAt(0);
  if (first >= 0x30 && first <= 0x39) return !ONLY_NUMERIC.test(text);
  if (NEARLY_NUMBER.test(text)) return false;
  // What Terraform puts there later may look like a number.
  if (first === 0x24 && text.startsWith("${TfToken[")) return false;
  if (first === 0x2d) return SIGN_THEN_LETTER.test(text);
  if (first === 0x2e) return DOT_THEN_LETTER.test(text);
  return text.length > 5 || !WORDS.has(text.toLowerCase());
}

/** Double quotes, with JSON's escapes, all of which YAML shares. */
export function quoted(text: string): string {
  return JSON.stringify(text).replace(
    UNSAFE_RAW,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Several lines that a block literal keeps to the byte, in every reader. */
export function isLiteral(text: string): boolean {
  if (!text.includes("\n") || NO_LITERAL.test(text)) return false;
  const first = text.charCodeAt(0);
  if (first === 0x20 || first === 0x09 || first === 0x0a) return false;
  let end = text.length;
  while (text.charCodeAt(end - 1) === 0x0a) end -= 1;
  const last = text.charCodeAt(end - 1);
  return last !== 0x20 && last !== 0x09;
}

/** A block literal: header and lines, without the line feed that ends it. */
export function literal(text: string, indent: string): string {
  const clipped = text.endsWith("\n");
  const header = !clipped ? "|-" : text.endsWith("\n\n") ? "|+" : "|";
  const body = clipped ? text.slice(0, -1) : text;
  return `${header}\n${body
    .split("\n")
    .map((line) => (line === "" ? "" : indent + line))
    .join("\n")}`;
}
