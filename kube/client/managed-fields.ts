const KEY = '"managedFields":[';
const [QUOTE, BACKSLASH, OPEN, CLOSE] = ['"', "\\", "[", "]"].map((one) => one.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
];

/**
 * Empties the lists `managedFields` in JSON text of Kubernetes objects: often a third of their bytes and half of their values,
 * which a parser would build for nothing. Text that is not JSON stays as it is from where it ends too early.
 */
export function withoutManagedFields(text: string): string {
  let [kept, from] = ["", 0];
  for (let key = text.indexOf(KEY); key >= 0; key = text.indexOf(KEY, key + KEY.length)) {
    // Within a string, quotes are escaped; and no string ends here, because a name follows.
    if (text.charCodeAt(key - 1) === BACKSLASH) continue;
    const end = endOfList(text, key + KEY.length);
    if (end === undefined) break;
    kept += text.slice(from, key + KEY.length);
    from = end;
    key = end - KEY.length;
  }
  return from === 0 ? text : kept + text.slice(from);
}

/** Returns the position of the bracket that ends the list; undefined if there is none. */
function endOfList(text: string, start: number): number | undefined {
  let depth = 1;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at + 1);
      if (at < 0) return undefined;
    } else if (code === OPEN) depth++;
    else if (code === CLOSE && --depth === 0) return at;
  }
  return undefined;
}

/** Returns the position of the quote that ends the string; -1 if there is none. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
  }
  return -1;
}
