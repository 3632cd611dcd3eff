import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { formatLocated, readPlatform } from "../../../../config/platform/file";
import { expectGolden } from "../../../support/golden";
import { files, ROOT } from "../../../support/sources";

const BAD = files("test/golden/platform/bad", /\.yaml$/).map((path) => basename(path, ".yaml"));

function report(source: Uint8Array | string): string[] {
  return (readPlatform(source).problems ?? []).map((problem) => formatLocated("cedana.yaml", problem));
}

test.each(BAD)("%s: reports every problem with its position", (name) => {
  const source = readFileSync(join(ROOT, "test/golden/platform/bad", `${name}.yaml`));
  const lines = report(source);
  expect(lines.length).toBeGreaterThan(0);
  expectGolden(`platform/bad/${name}.txt`, `${lines.join("\n")}\n`);
});

test("repeats no secret of the file in a problem", () => {
  const source = readFileSync(join(ROOT, "test/golden/platform/bad/secrets.yaml"), "utf8");
  const reported = report(source).join("\n");
  for (const secret of ["AKIA", "hunter22", "cedana-live", "s3cr3t", "wJalr", "ghp_", "12345678", "xoxb"]) {
    expect(source).toContain(secret);
    expect(reported).not.toContain(secret);
  }
});

test("repeats no secret of a file with invalid YAML", () => {
  const reported = report('version: 1\nengine: {\n  "AKIAIOSFODNN7EXAMPLE" x: [\n').join("\n");
  expect(reported).toMatch(/AWS access key id/);
  expect(reported).not.toContain("AKIA");
});

test("rejects a file of 10 MB and states the limit", () => {
  expect(report(Buffer.alloc(10_000_000, "a: 1\n"))).toEqual([
    "cedana.yaml:1:1  (root)  is too large; given: 9.5 MiB; allowed: at most 1 MiB",
  ]);
});

test.each([
  ["one long line", () => `version: ${"x".repeat(1_000_000)}`],
  ["many quotes and colons", () => `a: ${"://:".repeat(200_000)}`],
])("reports %s as a problem", (_, make) => {
  expect(report(make()).length).toBeGreaterThan(0);
});

test("rejects nested aliases that expand to too much", () => {
  const levels = Array.from({ length: 9 }, (_, index) => {
    const value =
      index === 0
        ? "x"
        : Array(8)
            .fill(`*a${index - 1}`)
            .join(", ");
    return `a${index}: &a${index} [${value}]`;
  });
  expect(report(`version: 1\n${levels.join("\n")}\n`)).toEqual([
    "cedana.yaml:1:1  (root)  has aliases that expand to too many values; replace aliases by their values",
  ]);
});

test.each<[string, Uint8Array, string]>([
  ["UTF-16", Buffer.from("version: 1\n", "utf16le"), "1:2  (root)  contains a character"],
  ["Latin-1", Buffer.from("version: 1 # caf\xe9\n", "latin1"), "1:1  (root)  is not UTF-8 text"],
  ["a control character", Buffer.from("version: 1\nengine: \x07\n"), "2:9  (root)  contains a character"],
])("rejects %s", (_, source, expected) => {
  const [line, ...rest] = report(source);
  expect(rest).toEqual([]);
  expect(line).toContain(expected);
});

test("accepts a byte order mark and CRLF", () => {
  const text = readFileSync(join(ROOT, "cedana.yaml"), "utf8");
  const plain = readPlatform(text);
  expect(plain.problems).toBeUndefined();
  expect(readPlatform(`\uFEFF${text}`)).toEqual(plain);
  expect(readPlatform(Buffer.from(`\uFEFF${text}`))).toEqual(plain);
  expect(readPlatform(text.replaceAll("\n", "\r\n"))).toEqual(plain);
});

test("resolves anchors and aliases", () => {
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

test("rejects the key __proto__ as unknown", () => {
  expect(report("version: 1\n__proto__: { cluster: {} }\n").join("\n")).toContain(
    "__proto__  is not a known property",
  );
});
