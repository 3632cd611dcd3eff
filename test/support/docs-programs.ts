import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transformSync } from "@swc/core";
import { ROOT, files } from "./sources";

export const DOCS = [...files("docs", /\.md$/), "README.md"];

interface Program {
  readonly name: string;
  readonly code: string;
}

/** TypeScript programs of the docs: code blocks with an import. */
export const programs: readonly Program[] = DOCS.flatMap((page) =>
  [...readFileSync(join(ROOT, page), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)]
    .map((match) => match[1] ?? "")
    .filter((code) => /^import /m.test(code))
    .map((code, index) => ({ name: `${page.replaceAll("/", "__").replace(/\.md$/, "")}-${index}`, code })),
);

/** Writes sources and JavaScript of all programs to a directory of the repository, where the package resolves by its name. */
export function writePrograms(name: string): string {
  const folder = join(ROOT, "out", name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const program of programs) {
    writeFileSync(join(folder, `${program.name}.ts`), program.code);
    const { code } = transformSync(program.code, {
      jsc: { target: "es2022", parser: { syntax: "typescript" } },
      module: { type: "commonjs" },
    });
    writeFileSync(join(folder, `${program.name}.js`), code);
  }
  return folder;
}
