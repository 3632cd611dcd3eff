// Reads results that jest wrote as JSON:
//
//   failed FILE         paths of the suites that failed
//   passed FILE         paths of the suites that passed
//   totals FILE AGAIN   numbers of tests that passed and failed; suites in AGAIN, a second run, replace those of FILE
//
// A suite that fails without a failed test counts as one failed test, as does a run without results or tests.
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";

const [command, ...files] = process.argv.slice(2);
const suites = new Map();
for (const file of files) {
  if (!existsSync(file)) continue;
  for (const suite of JSON.parse(readFileSync(file, "utf8")).testResults) suites.set(suite.name, suite);
}
const all = [...suites.values()];
if (command === "totals") {
  const count = (status) =>
    all.flatMap(({ assertionResults }) => assertionResults).filter((test) => test.status === status).length;
  const broken = all.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((test) => test.status === "failed"),
  ).length;
  const passed = count("passed");
  const failed = count("failed") + broken;
  process.stdout.write(`${passed} ${passed === 0 && failed === 0 ? 1 : failed}\n`);
} else {
  for (const { name, status } of all) if (status === command) process.stdout.write(`${relative("", name)}\n`);
}
