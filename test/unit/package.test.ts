import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/sources";

type Entry = { readonly types: string; readonly default: string } | string | null;
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  exports: Record<string, Entry>;
  typesVersions: { "*": Record<string, string[]> };
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
};
const entries = Object.entries(manifest.exports).filter(
  ([, entry]) => typeof entry === "object" && entry !== null,
) as [string, { readonly types: string; readonly default: string }][];

/** `./dist/constructs/aws/index.js` was made from this source. */
const source = (file: string) =>
  join(ROOT, file.replace(/^\.\/dist\//, "").replace(/(\.d\.ts|\.js)$/, ".ts"));

test("every entry of the package is the public entry of a folder", () => {
  const plain = entries.filter(([name]) => !name.includes("*"));
  expect(plain.filter(([, entry]) => !existsSync(source(entry.default))).map(([name]) => name)).toEqual([]);
  expect(entries.filter(([, { types, default: code }]) => types.replace(".d.ts", ".js") !== code)).toEqual(
    [],
  );
});

test.each(["aws", "kubernetes"])("each folder of cedana-cdk/%s can be imported by itself", (area) => {
  const directories = (path: string) =>
    readdirSync(join(ROOT, "constructs", area, path), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(path, entry.name));
  // Directories of directories: engines and integrations.
  const folders = directories("").flatMap((name) =>
    /^(engines|integrations)$/.test(name) ? directories(name) : [name],
  );
  const { default: code } = manifest.exports[`./${area}/*`] as { default: string };
  const hidden = folders.filter((name) => manifest.exports[`./${area}/${name}`] === null);
  expect(folders.filter((name) => !existsSync(source(code.replace("*", name))))).toEqual([]);
  expect(hidden).toEqual(area === "aws" ? ["internal"] : []);
});

test("programs that still resolve modules as Node 10 did find the same types", () => {
  const expected = entries.map(([name, { types }]) => [name.slice(2), [types.slice(2)]]);
  expect(Object.entries(manifest.typesVersions["*"])).toEqual(expected);
});
