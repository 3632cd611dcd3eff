import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, target } from "../../support/sources";

/** Modules that only some commands need, and that take long to load. */
const HEAVY = [
  "@kubernetes/client-node",
  "cdk8s",
  "cdktf",
  "diff",
  "node:crypto",
  "node:readline/promises",
  "valibot",
  "yaml",
];

/** A static import of a value, whose module is loaded with the importing one. */
const STATIC = /^(?:import|export) (?!type\b)[^;"]*?from "([^"]+)";/gm;

test("the start of the command line loads no module that only some commands need", () => {
  const loaded = new Set<string>();
  const load = (name: string) => {
    if (loaded.has(name)) return;
    loaded.add(name);
    const path = [`${name}.ts`, `${name}/index.ts`].find((file) => existsSync(join(ROOT, file)));
    if (path === undefined) return;
    const text = readFileSync(join(ROOT, path), "utf8");
    for (const [, specifier = ""] of text.matchAll(STATIC)) load(target({ path }, specifier));
  };
  load("cli/main");
  expect([...loaded]).toEqual(expect.arrayContaining(["commander", "cli/synth", "cli/errors"]));
  expect(HEAVY.filter((name) => loaded.has(name))).toEqual([]);
});
