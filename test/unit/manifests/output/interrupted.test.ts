import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildSync } from "esbuild";
import { ROOT } from "../../../support/sources";
import { writeTree } from "../../../../manifests/output";

/**
 * A child process writes a tree and is ended, by a signal, at its n-th call that changes the disk: for every second n there is.
 */
const OWNER = "a test";
const OLD = {
  "a/one.yaml": "old\n",
  "b.yaml": "old\n",
  "c.yaml": "same\n",
  "d/gone.yaml": "old\n",
  e: "old\n",
};
const NEW = {
  "a/one.yaml": "new\n",
  "b.yaml": "new\n",
  "c.yaml": "same\n",
  "e/two.yaml": "new\n",
  "f.yaml": "new\n",
};
const THEIRS = { "theirs.txt": "theirs" };

const CHILD = `
const fs = require("node:fs");
const [,, library, dir, at, signal, tree] = process.argv;
let calls = 0;
for (const name of ["writeFileSync", "renameSync", "rmSync", "rmdirSync", "mkdirSync", "linkSync"]) {
  const original = fs[name];
  fs[name] = (...args) => {
    calls += 1;
    if (calls === Number(at)) process.kill(process.pid, signal);
    return original(...args);
  };
}
const { written } = require(library).writeTree(dir, new Map(JSON.parse(tree)), ${JSON.stringify(OWNER)});
console.log(JSON.stringify({ ended: false, calls, written: written.length }));
`;

const run = promisify(execFile);
let work: string;
let before: string;
let child: string;
let library: string;

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), "interrupted-"));
  child = join(work, "child.cjs");
  library = join(work, "output.cjs");
  writeFileSync(child, CHILD);
  buildSync({
    entryPoints: [join(ROOT, "manifests/output/index.ts")],
    outfile: library,
    bundle: true,
    platform: "node",
    format: "cjs",
    logLevel: "silent",
  });
  before = join(work, "before");
  mkdirSync(before);
  writeFileSync(join(before, "theirs.txt"), "theirs");
  writeTree(before, new Map(Object.entries(OLD)), OWNER);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

function read(dir: string): Record<string, string> {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = entries.map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
  return Object.fromEntries(
    paths
      .filter((path) => !path.startsWith(".cedana-cdk"))
      .map((path) => [path, readFileSync(join(dir, path), "utf8")]),
  );
}

interface Run {
  readonly ended: boolean;
  readonly calls: number;
  readonly written: number;
}

async function writeIn(dir: string, at: number, signal: string): Promise<Run> {
  try {
    const args = [child, library, dir, String(at), signal, JSON.stringify(Object.entries(NEW))];
    const { stdout } = await run(process.execPath, args);
    return JSON.parse(stdout) as Run;
  } catch (error) {
    if ((error as { signal?: string }).signal !== signal) throw error;
    return { ended: true, calls: at, written: 0 };
  }
}

const copyOf = (name: string): string => {
  const dir = join(work, name);
  cpSync(before, dir, { recursive: true });
  return dir;
};

/** At every eighth call, from `first` on; at every one in the soak. Four at a time. */
async function atEach(calls: number, first: 1 | 5, work: (at: number) => Promise<void>): Promise<void> {
  const all = Array.from({ length: calls }, (_, index) => index + 1);
  const points = process.env["SOAK"] === "1" ? all : all.filter((at) => at % 8 === first);
  for (let from = 0; from < points.length; from += 4) {
    await Promise.all(points.slice(from, from + 4).map(work));
  }
}

test("killed at any point: the old tree or a beginning of the new one, whole files, and the next run mends it", async () => {
  const { calls } = await writeIn(copyOf("count"), 0, "SIGKILL");
  expect(calls).toBeGreaterThan(12);
  let untouched = 0;
  await atEach(calls, 1, async (at) => {
    const dir = copyOf(`kill-${at}`);
    expect((await writeIn(dir, at, "SIGKILL")).ended).toBe(true);
    const found = read(dir);
    const old = { ...OLD, ...THEIRS };
    if (JSON.stringify(found) === JSON.stringify(read(before))) untouched = Math.max(untouched, at);
    for (const [path, text] of Object.entries(found)) {
      expect([old[path as keyof typeof old], NEW[path as keyof typeof NEW]]).toContain(text);
    }
    writeTree(dir, new Map(Object.entries(NEW)), OWNER, { waitMs: 0 });
    expect(read(dir)).toEqual({ ...NEW, ...THEIRS });
    expect(readdirSync(dir).filter((name) => name.startsWith("."))).toEqual([".cedana-cdk-files"]);
  });
  // All that takes long, the writing, comes before the first change of the tree.
  const writes = Object.keys(NEW).length;
  expect(untouched).toBeGreaterThan(writes);
}, 60_000);

test("Ctrl-C leaves the old tree or the new one, nothing between", async () => {
  const { calls } = await writeIn(copyOf("count-int"), 0, "SIGINT");
  const oldOrNew = [
    { ...OLD, ...THEIRS },
    { ...NEW, ...THEIRS },
  ];
  const seen = new Set<number>();
  await atEach(calls, 5, async (at) => {
    const dir = copyOf(`int-${at}`);
    await writeIn(dir, at, "SIGINT");
    const found = read(dir);
    expect(oldOrNew).toContainEqual(found);
    seen.add(oldOrNew.findIndex((tree) => "d/gone.yaml" in tree === "d/gone.yaml" in found));
  });
  expect(seen.size).toBe(2);
}, 60_000);

test("runs side by side: each whole tree, one after the other", async () => {
  const dir = copyOf("together");
  const runs = await Promise.all(Array.from({ length: 6 }, () => writeIn(dir, 0, "SIGKILL")));
  expect(runs.filter(({ written }) => written > 0)).toHaveLength(1);
  expect(read(dir)).toEqual({ ...NEW, ...THEIRS });
});
