import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/sources";

const GLOSSARY = "docs/glossary.md";

/** Files that must contain the searched words. */
const SKIPPED = [GLOSSARY, "test/unit/glossary.test.ts"];

/** Texts that may contain the words, with the reason. */
const ALLOWED = [
  {
    file: "CHANGELOG.md",
    text: /`[a-z]+(-[a-z]+)+`/g,
    reason: "former error codes, for users who search for them",
  },
];

interface Term {
  readonly text: string;
  readonly pattern: RegExp;
  /** Column "but" of its row. */
  readonly better: string;
}

/** Returns the words and phrases in code marks of the table "Avoid". */
function terms(glossary: string): Term[] {
  const [, section = ""] = glossary.split("\n## Avoid\n");
  return [...section.split("\n## ", 1)[0]!.matchAll(/^\| (.*?) \| (.*?) \|$/gm)].flatMap(
    ([, not = "", better = ""]) =>
      [...not.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => ({ text, pattern: patternOf(text), better })),
  );
}

/** Matches whole words with a small or capital first letter. A phrase can continue on the next line of a comment. */
function patternOf(text: string): RegExp {
  const first = text.slice(0, 1);
  const rest = text.slice(1).replaceAll(" ", String.raw`[\s*/#]+`);
  return new RegExp(`(?<!\\w)[${first}${first.toUpperCase()}]${rest}(?!\\w)`, "g");
}

/** Returns `line: "text"; better: ...` for each occurrence that is not allowed. */
function occurrences(text: string, searched: readonly Term[], allowed: readonly RegExp[] = []): string[] {
  const rest = allowed.reduce((left, one) => left.replace(one, (match) => " ".repeat(match.length)), text);
  return searched.flatMap(({ pattern, better }) =>
    [...rest.matchAll(pattern)].map(
      ({ 0: match, index }) => `${rest.slice(0, index).split("\n").length}: "${match}"; better: ${better}`,
    ),
  );
}

const TERMS = terms(readFileSync(join(ROOT, GLOSSARY), "utf8"));

test("finds whole words and phrases, also across lines, with their line and the better words", () => {
  const searched = terms(
    "# A\n\n## Avoid\n\n| not | but |\n| --- | --- |\n| `anew`, `once more` (x) | again |\n",
  );
  expect(searched.map(({ text }) => text)).toEqual(["anew", "once more"]);
  expect(occurrences("renewed canew\n// Anew, once\n// more\n`of-anew`", searched, [/of-\w+/g])).toEqual([
    '2: "Anew"; better: again',
    '2: "once\n// more"; better: again',
  ]);
});

test("every file of the repository avoids the words that the glossary replaces", () => {
  const { stdout } = spawnSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" });
  const files = stdout
    .split("\0")
    .filter((file) => /\.(ts|mjs|cjs|md|sh)$|^\.ci\/run$/.test(file) && !SKIPPED.includes(file))
    .filter((file) => existsSync(join(ROOT, file)));
  expect(files).toEqual(expect.arrayContaining(["README.md", "bin/cedana-cdk.ts", "tools/pack.mjs"]));
  expect(TERMS.length).toBeGreaterThan(20);
  const found = files.flatMap((file) => {
    const allowed = ALLOWED.filter((one) => one.file === file).map(({ text }) => text);
    return occurrences(readFileSync(join(ROOT, file), "utf8"), TERMS, allowed).map((one) => `${file}:${one}`);
  });
  expect(found).toEqual([]);
});

test("every allowed text contains a searched word", () => {
  const unused = ALLOWED.filter(({ file, text }) => {
    const matches = readFileSync(join(ROOT, file), "utf8").match(text) ?? [];
    return occurrences(matches.join("\n"), TERMS).length === 0;
  });
  expect(unused).toEqual([]);
});
