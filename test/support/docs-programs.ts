import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transformSync } from "@swc/core";
import { ROOT, files } from "./sources";

export const DOCS = [...files("docs", /\.md$/), "README.md"];

interface Program {
  readonly name: string;
  readonly code: string;
}

/** Every TypeScript program in the docs: a block that imports something. */
export const programs: readonly Program[] = DOCS.flatMap((page) =>
  [...readFileSync(join(ROOT, page), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)]
    .map((match) => match[1] ?? "")
    .filter((code) => /^import /m.test(code))
    .map((code, index) => ({ name: `${page.replaceAll("/", "__").replace(/\.md$/, "")}-${index}`, code })),
);

/** Lays all programs out in a folder of the repository, where they find the package by its name: sources and JavaScript. */
export function layOutPrograms(name: string): string {
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
