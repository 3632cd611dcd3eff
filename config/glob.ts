/** Patterns of names as in Go's path.Match, which containerd and Kubernetes use. */

/** One element of a pattern that matches one character, or any number of them. */
type Element = "many" | ((character: string) => boolean);

/**
 * Returns a test for names without a separator: `*`, `?`, `[a-z]`, `[^a-z]`, and `\` before a character. Its time is
 * proportional to the length of the name and of the pattern.
 * @throws Error for a pattern that Go rejects
 */
export function nameMatcher(pattern: string): (name: string) => boolean {
  const elements = elementsOf(pattern);
  return (name) => {
    const characters = Array.from(name);
    let [at, element] = [0, 0];
    // Where to continue if the characters after the last `*` do not match: with one character more for it.
    let [retryAt, retryElement] = [-1, -1];
    while (at < characters.length) {
      const now = elements[element];
      if (now === "many") {
        [retryAt, retryElement] = [at, element];
        element += 1;
      } else if (now?.(characters[at]!) === true) {
        at += 1;
        element += 1;
      } else if (retryElement >= 0) {
        retryAt += 1;
        [at, element] = [retryAt, retryElement + 1];
      } else return false;
    }
    return elements.slice(element).every((one) => one === "many");
  };
}

function elementsOf(pattern: string): readonly Element[] {
  const elements: Element[] = [];
  const characters = Array.from(pattern);
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!;
    if (character === "*") elements.push("many");
    else if (character === "?") elements.push(() => true);
    else if (character === "[") {
      const found = classAt(pattern, characters, at + 1);
      elements.push(found.matches);
      at = found.end;
    } else {
      const literal = character === "\\" ? characters[++at] : character;
      if (literal === undefined) throw badPattern(pattern);
      elements.push((one) => one === literal);
    }
  }
  return elements;
}

/** Reads a class such as `^a-z]`. @returns its test, and the place of its end */
function classAt(pattern: string, characters: readonly string[], start: number) {
  let at = start;
  const negated = characters[at] === "^";
  if (negated) at += 1;
  const ranges: (readonly [from: string, to: string])[] = [];
  const next = () => {
    const character = characters[at];
    if (character === undefined || character === "-" || (character === "]" && ranges.length === 0))
      throw badPattern(pattern);
    const literal = character === "\\" ? characters[++at] : character;
    at += 1;
    if (literal === undefined) throw badPattern(pattern);
    return literal;
  };
  while (characters[at] !== "]" || ranges.length === 0) {
    const from = next();
    const isRange = characters[at] === "-";
    if (isRange) at += 1;
    ranges.push([from, isRange ? next() : from]);
  }
  const isIn = (one: string) =>
    ranges.some(
      ([from, to]) =>
        one.codePointAt(0)! >= from.codePointAt(0)! && one.codePointAt(0)! <= to.codePointAt(0)!,
    );
  return { matches: (one: string) => isIn(one) !== negated, end: at };
}

function badPattern(pattern: string): Error {
  return new Error(`the pattern ${JSON.stringify(pattern.slice(0, 80))} is malformed`);
}
