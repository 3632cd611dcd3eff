import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { transformSync } from "@swc/core";
import { runPrograms } from "../support/programs";
import { ROOT, files } from "../support/sources";

/**
 * Every TypeScript program in the docs is type-checked against the built package and run. A block counts as a program
 * if it imports something.
 */
const DOCS = [...files("docs", /\.md$/), "README.md"];
const OUT = join(ROOT, "out/docs-test");

interface Program {
  readonly name: string;
  readonly code: string;
}

const programs: Program[] = DOCS.flatMap((page) =>
  [...readFileSync(join(ROOT, page), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)]
    .map((match) => match[1] ?? "")
    .filter((code) => /^import /m.test(code))
    .map((code, index) => ({ name: `${page.replaceAll("/", "__").replace(/\.md$/, "")}-${index}`, code })),
);

beforeAll(() => {
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  for (const { name, code } of programs) {
    writeFileSync(join(OUT, `${name}.ts`), code);
    const { code: js } = transformSync(code, {
      jsc: { target: "es2022", parser: { syntax: "typescript" } },
      module: { type: "commonjs" },
    });
    writeFileSync(join(OUT, `${name}.js`), js);
  }
  const config = {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: { noEmit: true, types: ["node"], rootDir: ROOT, composite: false, declaration: false },
    include: [join(OUT, "*.ts")],
    exclude: [],
  };
  writeFileSync(join(OUT, "tsconfig.json"), JSON.stringify(config));
});

afterAll(() => rmSync(OUT, { recursive: true, force: true }));

test("every public construct has a page with a program", () => {
  const folders = ["aws", "kubernetes"].flatMap((area) =>
    readdirSync(join(ROOT, "constructs", area), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== "internal")
      .map(({ name }) => `docs__${area}__${name}-0`),
  );
  const named = new Set(programs.map(({ name }) => name));
  expect(folders.filter((name) => !named.has(name))).toEqual([]);
});

test("all programs of the docs type-check", () => {
  expect(programs.length).toBeGreaterThan(0);
  try {
    execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", OUT], {
      stdio: "pipe",
    });
  } catch (error) {
    throw new Error(String((error as { stdout?: unknown }).stdout), { cause: error });
  }
});

test("all programs of the docs run", async () => {
  const runs = programs.map(({ name }) => ({
    file: join(OUT, `${name}.js`),
    folder: mkdtempSync(join(tmpdir(), `${name}-`)),
  }));
  try {
    expect(await runPrograms(runs)).toEqual({});
    const idle = runs.filter(({ folder }) => readdirSync(folder).length === 0).map(({ file }) => file);
    expect(idle.filter((file) => /\.synth\(\)/.test(readFileSync(file, "utf8")))).toEqual([]);
  } finally {
    for (const { folder } of runs) rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

test("links between pages lead somewhere", () => {
  const dead = DOCS.concat("CONTRIBUTING.md").flatMap((page) =>
    [...readFileSync(join(ROOT, page), "utf8").matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)]
      .filter(([, to]) => !existsSync(join(ROOT, dirname(page), to ?? "")))
      .map(([, to]) => `${page} -> ${to}`),
  );
  expect(dead).toEqual([]);
});
