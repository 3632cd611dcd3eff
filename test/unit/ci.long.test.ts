/** What .ci/run reads from jest's results. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../support/sources";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ci-results-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Writes results: statuses of the tests, by suite. A suite without tests could not run. */
function results(name: string, suites: Readonly<Record<string, readonly string[]>>): string {
  const testResults = Object.entries(suites).map(([suite, tests]) => ({
    name: join(ROOT, suite),
    status: tests.length === 0 || tests.includes("failed") ? "failed" : "passed",
    assertionResults: tests.map((status) => ({ status })),
  }));
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify({ testResults }));
  return file;
}

const read = (...args: readonly string[]) =>
  execFileSync(process.execPath, [join(ROOT, ".ci/results.mjs"), ...args], { cwd: ROOT, encoding: "utf8" });

test("suites that failed and passed are listed by path", () => {
  const file = results("first", {
    "a.test.ts": ["passed"],
    "b.test.ts": ["failed", "passed"],
    "c.test.ts": [],
  });
  expect(read("failed", file)).toBe("b.test.ts\nc.test.ts\n");
  expect(read("passed", file)).toBe("a.test.ts\n");
});

test("suites of a second run replace those of the first in the totals", () => {
  const first = results("first", {
    "a.test.ts": ["passed"],
    "b.test.ts": ["failed", "passed"],
    "c.test.ts": [],
  });
  expect(read("totals", first, join(folder, "none"))).toBe("2 2\n");
  const again = results("again", { "b.test.ts": ["passed", "passed"], "c.test.ts": ["passed", "failed"] });
  expect(read("totals", first, again)).toBe("4 1\n");
});

test("a run without results or without tests counts as a failure", () => {
  expect(read("totals", join(folder, "none"))).toBe("0 1\n");
  expect(read("totals", results("first", {}))).toBe("0 1\n");
  expect(read("totals", results("first", { "a.test.ts": ["pending"] }))).toBe("0 1\n");
});
