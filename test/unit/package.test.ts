import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
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
  const directories = (path: string) =>
    readdirSync(join(ROOT, "constructs", area, path), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(path, entry.name));
  // Directories of directories: engines and integrations.
  const folders = directories("").flatMap((name) =>
    /^(engines|integrations)$/.test(name) ? directories(name) : [name],
  );
  const file = manifest.exports[`./${area}/*`] ?? "";
  expect(folders.filter((name) => !existsSync(source(file.replace("*", name))))).toEqual([]);
  expect(folders).not.toContain("internal");
});

test("npm cannot pack or publish the checkout: its package.json is private and has no version", () => {
  expect(manifest).toMatchObject({ private: true });
  expect(manifest).not.toHaveProperty("version");
});

test("package.json of the checkout has no type: with it, esbuild puts each module of the programs into a function", () => {
  expect(manifest).not.toHaveProperty("type");
});

test("the programs use one copy of yaml: cdk8s contains the version that we use", () => {
  const version = (from: string) =>
    (
      JSON.parse(readFileSync(require.resolve("yaml/package.json", { paths: [from] }), "utf8")) as {
        readonly version: string;
      }
    ).version;
  expect(version(dirname(require.resolve("cdk8s")))).toBe(version(ROOT));
});
