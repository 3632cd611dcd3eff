/** docs/runtime/limits.md has exactly what test/node/runtime-limits.test.ts tries on a real node. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { REJECTED, renderLimits, RESUMES } from "../../testbed/node/limits";

const ROOT = join(__dirname, "../..");

test("docs/runtime/limits.md has the tables of the node test", () => {
  const { resumes, rejected } = renderLimits();
  const page = readFileSync(join(ROOT, "docs/runtime/limits.md"), "utf8");
  for (const each of [resumes, ...rejected.split("\n").slice(2)])
    expect(squeezed(page)).toContain(squeezed(each));
  // No row is left of an object that is no longer tried.
  const rows = page.split("\n").filter((line) => line.startsWith("| ")).length;
  expect(rows).toBe(REJECTED.length + 2);
  expect(page.split("\n").filter((line) => line.startsWith("- ")).length).toBe(RESUMES.length);
});

test("each kind is tried once, and the program knows it", () => {
  const all = [...RESUMES, ...REJECTED];
  const key = ({ hold, second, tcp, pod }: (typeof all)[number]) => JSON.stringify([hold, second, tcp, pod]);
  expect(new Set(all.map(key)).size).toBe(all.length);
  const sources = ["files", "sockets", "anonymous", "processes", "shared"]
    .map((name) => readFileSync(join(ROOT, `runtime/test/hold/${name}.go`), "utf8"))
    .join("\n");
  const kinds = all.flatMap(({ hold, second }) => [hold[0]!, ...(second?.slice(0, 1) ?? [])]);
  expect(kinds.filter((kind) => !sources.includes(`"${kind}":`))).toEqual([]);
});

/** Without the alignment of columns by the formatter. */
const squeezed = (text: string) => text.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---");
