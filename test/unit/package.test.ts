import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/sources";

const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly exports: Readonly<Record<string, string | null>>;
};
const entries = Object.entries(manifest.exports).filter(
  (entry): entry is [string, string] => entry[1]?.endsWith(".js") ?? false,
);

/** Returns the source of a built file: constructs/aws/index.ts of ./dist/constructs/aws/index.js. */
const source = (file: string) => join(ROOT, file.replace(/^\.\/dist\//, "").replace(/\.js$/, ".ts"));

test("each entry of the package is the public entry of a directory", () => {
  const plain = entries.filter(([name]) => !name.includes("*"));
  expect(plain.filter(([, file]) => !file.endsWith("/index.js") || !existsSync(source(file)))).toEqual([]);
  expect(plain.length).toBeGreaterThan(5);
});

test.each(["aws", "kubernetes"])("each directory of cedana-cdk/%s can be imported on its own", (area) => {
  const folders = readdirSync(join(ROOT, "constructs", area), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  const file = manifest.exports[`./${area}/*`] ?? "";
  const hidden = folders
    .filter(({ name }) => manifest.exports[`./${area}/${name}`] === null)
    .map(({ name }) => name);
  expect(folders.filter(({ name }) => !existsSync(source(file.replace("*", name))))).toEqual([]);
  expect(hidden).toEqual(area === "aws" ? ["internal"] : []);
});

test("npm refuses to pack the checkout, in which a build can be missing or have no types", () => {
  const { status, stderr } = spawnSync("npm", ["pack", "--dry-run"], { cwd: ROOT, encoding: "utf8" });
  expect(stderr).toContain("Invalid package, must have name and version");
  expect(status).toBe(1);
  expect(manifest).toMatchObject({ private: true });
});

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
