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

test("npm cannot pack or publish the checkout: its package.json is private and has no version", () => {
  expect(manifest).toMatchObject({ private: true });
  expect(manifest).not.toHaveProperty("version");
});
