import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/sources";

test.each([
  "bin/THIRD-PARTY-NOTICES.txt",
  "controller.THIRD-PARTY-NOTICES.txt",
  "agent.THIRD-PARTY-NOTICES.txt",
])("%s has each package once, with its licence", (file) => {
  const parts = readFileSync(join(ROOT, "dist", file), "utf8").split(`\n${"-".repeat(80)}\n\n`);
  const names = parts.map((part) => part.split(" (", 1)[0]);
  expect(names).toEqual([...new Set(names)]);
  expect(parts.filter((part) => !/^\S+ \S+ \([^)]+\)\nSource: \S+\n\n./.test(part))).toEqual([]);
});

test("npm does not pack the checkout, whatever was built in it", () => {
  const { status, stderr } = spawnSync("npm", ["pack", "--dry-run"], { cwd: ROOT, encoding: "utf8" });
  expect(stderr).toContain("Invalid package, must have name and version");
  expect(status).toBe(1);
});
