import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { formatLocated, MAX_BYTES, readPlatform } from "../../../../config/platform";
import { expectGolden } from "../../../support/golden";
import { files, ROOT } from "../../../support/sources";

const BAD = files("test/golden/platform/bad", /\.yaml$/).map((path) => basename(path, ".yaml"));

function report(source: Uint8Array | string): string[] {
  return (readPlatform(source).problems ?? []).map((problem) => formatLocated("cedana.yaml", problem));
}

test.each(BAD)("%s: every problem, each with its position", (name) => {
  const source = readFileSync(join(ROOT, "test/golden/platform/bad", `${name}.yaml`));
  const lines = report(source);
  expect(lines.length).toBeGreaterThan(0);
  expectGolden(`platform/bad/${name}.txt`, `${lines.join("\n")}\n`);
});

test("no secret of the file is in what is told of it", () => {
  const source = readFileSync(join(ROOT, "test/golden/platform/bad/secrets.yaml"), "utf8");
  const told = report(source).join("\n");
  for (const secret of ["AKIA", "hunter22", "cedana-live", "s3cr3t", "wJalr", "ghp_", "12345678", "xoxb"]) {
    expect(source).toContain(secret);
    expect(told).not.toContain(secret);
  }
});

test("a secret is hidden in a file that is not YAML, too", () => {
  const told = report('version: 1\nengine: {\n  "AKIAIOSFODNN7EXAMPLE" x: [\n').join("\n");
  expect(told).toMatch(/AWS access key id/);
  expect(told).not.toContain("AKIA");
});

test("10 MB are refused at once, with the limit", () => {
  const started = performance.now();
  expect(report(Buffer.alloc(10_000_000, "a: 1\n"))).toEqual([
    "cedana.yaml:1:1  (root)  is too large to be a platform file; given: 9.5 MiB; allowed: at most 1 MiB",
  ]);
  expect(performance.now() - started).toBeLessThan(200);
});

test.each([
  ["many keys", () => Array.from({ length: 20_000 }, (_, index) => `a${index}: 1\n`).join("")],
  ["deep lists", () => "[".repeat(MAX_BYTES - 10)],
  ["deep mappings", () => "{a: ".repeat(100_000)],
  ["aliases of aliases", () => bomb(20)],
  ["one long line", () => `version: ${"x".repeat(MAX_BYTES - 100)}`],
  ["many quotes and colons", () => `a: ${"://:".repeat(200_000)}`],
])("%s end soon, in a problem", (_, make) => {
  const started = performance.now();
  expect(report(make()).length).toBeGreaterThan(0);
  expect(performance.now() - started).toBeLessThan(8000);
});

function bomb(depth: number): string {
  const levels = Array.from({ length: depth }, (_, index) =>
    index === 0
      ? "a0: &a0 [x, x]"
      : `a${index}: &a${index} [${Array(8)
          .fill(`*a${index - 1}`)
          .join(", ")}]`,
  );
  return `version: 1\n${levels.join("\n")}\n`;
}

test.each<[string, Uint8Array, string]>([
  ["UTF-16", Buffer.from("version: 1\n", "utf16le"), "1:8  (root)  holds a character"],
  ["Latin-1", Buffer.from("version: 1 # caf\xe9\n", "latin1"), "1:1  (root)  is not UTF-8 text"],
  ["a control character", Buffer.from("version: 1\nengine: \x07\n"), "2:9  (root)  holds a character"],
])("%s is refused", (_, source, expected) => {
  const [line, ...rest] = report(source);
  expect(rest).toEqual([]);
  expect(line).toContain(expected.replace(/^1:8/, "1:2"));
});

test("a byte order mark and CRLF are no problem", () => {
  const text = readFileSync(join(ROOT, "cedana.yaml"), "utf8");
  const plain = readPlatform(text);
  expect(plain.problems).toBeUndefined();
  expect(readPlatform(`\uFEFF${text}`)).toEqual(plain);
  expect(readPlatform(Buffer.from(`\uFEFF${text}`))).toEqual(plain);
  expect(readPlatform(text.replaceAll("\n", "\r\n"))).toEqual(plain);
});

test("anchors and aliases are resolved", () => {
  const text = readFileSync(join(ROOT, "cedana.yaml"), "utf8");
  const anchored = text
    .replace("scaling: {", "scaling: &size {")
    .replace(
      /^imageRepository:/m,
      "  - name: other\n    instanceTypes: [m7i.large]\n    scaling: *size\nimageRepository:",
    );
  const read = readPlatform(anchored);
  const platform = read.problems ? undefined : read.platform;
  expect(platform?.nodeGroups[1]?.scaling).toEqual(platform?.nodeGroups[0]?.scaling);
});

test("__proto__ is a key like any other", () => {
  expect(report("version: 1\n__proto__: { cluster: {} }\n").join("\n")).toContain(
    "__proto__  is not a known property",
  );
});
