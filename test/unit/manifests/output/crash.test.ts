import type * as Fs from "node:fs";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RECORD, diffTree, writeTree } from "../../../../manifests/output";

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
const UNMANAGED = { "unmanaged.txt": "mine" };

type Files = Readonly<Record<string, string>>;
const fs = jest.requireActual<typeof Fs>("node:fs");
const CHANGING = ["mkdirSync", "mkdtempSync", "renameSync", "rmSync", "rmdirSync", "writeFileSync"] as const;
const write = (dir: string, files: Files) => writeTree(dir, new Map(Object.entries(files)), OWNER);

let work: string;
let before: string;

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), "crash-"));
  before = join(work, "before");
  mkdirSync(before);
  writeFileSync(join(before, "unmanaged.txt"), "mine");
  write(before, OLD);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(join(work, "killed"), { recursive: true, force: true });
});

function copyOf(name: string): string {
  const dir = join(work, name);
  cpSync(before, dir, { recursive: true });
  return dir;
}

/** All files but the module's own. */
function read(dir: string): Files {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .filter((path) => !path.startsWith(".cedana-cdk"));
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(dir, path), "utf8")]));
}

/** Runs the work as a process that is killed at its n-th call that changes the disk. Returns the number of calls. */
function killedAt(at: number, work: () => unknown): number {
  let calls = 0;
  for (const name of CHANGING) {
    const original = fs[name] as (...args: unknown[]) => unknown;
    jest.spyOn(fs, name).mockImplementation((...args: unknown[]) => {
      calls += 1;
      if (calls < at) return original(...args) as never;
      if (calls === at && name === "writeFileSync") original(args[0], String(args[1]).slice(0, 2));
      throw new Error("killed");
    });
  }
  try {
    work();
  } catch (error) {
    if ((error as Error).message !== "killed") throw error;
  } finally {
    jest.restoreAllMocks();
  }
  return calls;
}

test.each<[string, Files]>([
  ["the same files", NEW],
  ["other files", { "b.yaml": "other\n", "g.yaml": "other\n" }],
])("after a kill at any point every file is complete, and the next run writes %s", (_, next) => {
  const total = killedAt(Infinity, () => write(copyOf("count"), NEW));
  rmSync(join(work, "count"), { recursive: true });
  expect(total).toBeGreaterThan(12);
  for (let at = 1; at <= total; at++) {
    const dir = copyOf("killed");
    killedAt(at, () => write(dir, NEW));
    for (const [path, text] of Object.entries(read(dir))) {
      expect([OLD, NEW, UNMANAGED].map((files: Files) => files[path])).toContain(text);
    }
    write(dir, next);
    expect(read(dir)).toEqual({ ...next, ...UNMANAGED });
    expect(readdirSync(dir).filter((name) => name.startsWith("."))).toEqual([RECORD]);
    expect(diffTree(dir, new Map(Object.entries(next)), OWNER)).toEqual({ changes: [], problems: [] });
    rmSync(dir, { recursive: true });
  }
});

test("a failed write removes its temporary files, and the next run finishes", () => {
  const dir = copyOf("full");
  const { renameSync } = fs;
  let renames = 0;
  jest.spyOn(fs, "renameSync").mockImplementation((from, to) => {
    renames += 1;
    if (renames === 3) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    renameSync(from, to);
  });
  expect(() => write(dir, NEW)).toThrow("no space");
  jest.restoreAllMocks();
  expect(readdirSync(dir).filter((name) => name.startsWith("."))).toEqual([RECORD]);
  write(dir, NEW);
  expect(read(dir)).toEqual({ ...NEW, ...UNMANAGED });
});
