import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as fc from "fast-check";
import { OutputError, RECORD, diffTree, writeTree } from "../../../../manifests/output";
import { assertProperty } from "../../../support/property";

const OWNER = "a test";
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "output-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const tree = (files: Record<string, string>): Map<string, string> => new Map(Object.entries(files));
const write = (files: Record<string, string>, options = {}) => writeTree(dir, tree(files), OWNER, options);

function put(path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}

/** All files but the record. */
function onDisk(): Record<string, string> {
  const entries = readdirSync(dir, {
    recursive: true,
    withFileTypes: true,
  }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
  return Object.fromEntries(
    paths.filter((path) => path !== RECORD).map((path) => [path, readFileSync(join(dir, path), "utf8")]),
  );
}

function problemsOf(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof OutputError) return error.problems.map(({ code, path }) => `${code} ${path}`);
    throw error;
  }
  return [];
}

test("adds, changes and removes files, and removes directories that become empty", () => {
  expect(write({ "a/b/c.yaml": "1\n", "a/d.yaml": "2\n", "e.yaml": "3\n" })).toEqual({
    written: ["a/b/c.yaml", "a/d.yaml", "e.yaml"],
    removed: [],
    unchanged: [],
  });
  expect(write({ "a/d.yaml": "2\n", "e.yaml": "4\n", "f.yaml": "" })).toEqual({
    written: ["e.yaml", "f.yaml"],
    removed: ["a/b/c.yaml"],
    unchanged: ["a/d.yaml"],
  });
  expect(onDisk()).toEqual({
    "a/d.yaml": "2\n",
    "e.yaml": "4\n",
    "f.yaml": "",
  });
  expect(readdirSync(dir).toSorted()).toEqual([RECORD, "a", "e.yaml", "f.yaml"]);
  expect(readdirSync(join(dir, "a"))).toEqual(["d.yaml"]);
});

test("the record has the format of sha256sum and is sorted", () => {
  write({ "b.yaml": "2\n", "a.yaml": "1\n" });
  expect(readFileSync(join(dir, RECORD), "utf8")).toMatchInlineSnapshot(`
    "# Written by a test. It replaces or removes the files below when it runs again, and no other. Check: sha256sum -c .cedana-cdk-files
    4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865  a.yaml
    53c234e5e8472b6ac51c1ae1cab3fe06fad053beb8ebfd8977b010655bfdd3c3  b.yaml
    "
  `);
});

test("a second run with the same files writes nothing", () => {
  write({ "a.yaml": "1\n", "b.yaml": "2\n" });
  const long = new Date("2020-01-01");
  for (const path of ["a.yaml", RECORD]) utimesSync(join(dir, path), long, long);
  write({ "a.yaml": "1\n", "b.yaml": "2\n" });
  expect(statSync(join(dir, RECORD)).mtime).toEqual(long);
  write({ "a.yaml": "1\n", "b.yaml": "3\n" });
  expect(statSync(join(dir, "a.yaml")).mtime).toEqual(long);
});

test("leaves unmanaged files alone, also in directories of managed files", () => {
  put("README.md", "mine");
  write({ "a/b.yaml": "1\n" });
  put("a/mine.yaml", "mine");
  write({ "c.yaml": "1\n" });
  expect(onDisk()).toEqual({
    "README.md": "mine",
    "a/mine.yaml": "mine",
    "c.yaml": "1\n",
  });
});

test("neither overwrites nor removes an edited file without force", () => {
  write({ "a.yaml": "1\n", "b.yaml": "1\n", "c.yaml": "1\n" });
  put("a.yaml", "edited\n");
  put("b.yaml", "edited\n");
  const before = onDisk();
  expect(problemsOf(() => write({ "a.yaml": "2\n", "c.yaml": "2\n" }))).toEqual([
    "edited-file b.yaml",
    "edited-file a.yaml",
  ]);
  expect(onDisk()).toEqual(before);
  write({ "a.yaml": "2\n", "c.yaml": "2\n" }, { force: true });
  expect(onDisk()).toEqual({ "a.yaml": "2\n", "c.yaml": "2\n" });
});

test("accepts an edit that the input has too", () => {
  write({ "a.yaml": "1\n" });
  put("a.yaml", "2\n");
  expect(write({ "a.yaml": "2\n" }).unchanged).toEqual(["a.yaml"]);
  write({ "a.yaml": "3\n" });
  expect(onDisk()).toEqual({ "a.yaml": "3\n" });
});

test("writes a deleted file again if the input still has it", () => {
  write({ "a.yaml": "1\n", "b.yaml": "1\n" });
  rmSync(join(dir, "a.yaml"));
  rmSync(join(dir, "b.yaml"));
  write({ "a.yaml": "1\n" });
  expect(onDisk()).toEqual({ "a.yaml": "1\n" });
});

test("overwrites an unmanaged file only with force, or if it is the same", () => {
  put("a.yaml", "mine\n");
  put("b.yaml", "1\n");
  expect(problemsOf(() => write({ "a.yaml": "1\n", "b.yaml": "1\n" }))).toEqual(["unmanaged-file a.yaml"]);
  expect(existsSync(join(dir, RECORD))).toBe(false);
  expect(write({ "a.yaml": "1\n", "b.yaml": "1\n" }, { force: true }).written).toEqual(["a.yaml"]);
});

test("rejects a directory of another owner, also with force, until its record is deleted", () => {
  write({ "a.yaml": "1\n" });
  const other = (force: boolean) =>
    writeTree(dir, tree({ "a.yaml": "1\n", "b.yaml": "1\n" }), "another. It has a dot", { force });
  expect(problemsOf(() => other(false))).toEqual(["owner-mismatch ."]);
  expect(problemsOf(() => other(true))).toEqual(["owner-mismatch ."]);
  expect(onDisk()).toEqual({ "a.yaml": "1\n" });
  rmSync(join(dir, RECORD));
  expect(other(false)).toEqual({ written: ["b.yaml"], removed: [], unchanged: ["a.yaml"] });
  expect(other(false).written).toEqual([]);
  expect(() => writeTree(dir, tree({}), "two\nlines")).toThrow("one line");
});

test("a managed file becomes a directory and a directory a file", () => {
  write({ a: "1\n", "b/c/d": "1\n", "b/e": "1\n" });
  write({ "a/x/y": "2\n", b: "2\n" });
  expect(onDisk()).toEqual({ "a/x/y": "2\n", b: "2\n" });
});

test("a directory with unmanaged files or an empty directory does not become a file", () => {
  write({ "a/b": "1\n", "c/d": "1\n" });
  put("a/mine", "mine");
  mkdirSync(join(dir, "c/empty"));
  expect(problemsOf(() => write({ a: "2\n", c: "2\n" }, { force: true }))).toEqual([
    "path-conflict a",
    "path-conflict c",
  ]);
  expect(onDisk()).toEqual({ "a/b": "1\n", "a/mine": "mine", "c/d": "1\n" });
});

test("neither writes nor removes through a symbolic link", () => {
  const outside = mkdtempSync(join(tmpdir(), "outside-"));
  writeFileSync(join(outside, "b.yaml"), "theirs");
  write({ "a/b.yaml": "theirs", "c.yaml": "1\n" });
  rmSync(join(dir, "a"), { recursive: true });
  symlinkSync(outside, join(dir, "a"));
  rmSync(join(dir, "c.yaml"));
  symlinkSync(join(outside, "b.yaml"), join(dir, "c.yaml"));
  expect(problemsOf(() => write({ "a/b.yaml": "2\n", "c.yaml": "2\n" }, { force: true }))).toEqual([
    "symbolic-link a",
    "symbolic-link c.yaml",
  ]);
  write({ "d.yaml": "1\n" });
  expect(readdirSync(outside)).toEqual(["b.yaml"]);
  expect(readFileSync(join(outside, "b.yaml"), "utf8")).toBe("theirs");
  rmSync(outside, { recursive: true });
});

test.each(
  [
    ["../a"],
    ["/a"],
    ["a/../../b"],
    ["a//b"],
    ["./a"],
    ["a/"],
    [""],
    ["a\\b"],
    ["a\nb"],
    ["a\0"],
    ["\ud800"],
    ["x".repeat(256)],
    [RECORD],
    [".cedana-cdk.tmp-x/0"],
    [".CEDANA-CDK.lock"],
  ].map(([path = ""]) => [JSON.stringify(path).slice(0, 30), path]),
)("rejects the path %s", (_, path) => {
  expect(problemsOf(() => write({ [path]: "1\n" }, { force: true }))).toEqual([
    `invalid-path ${JSON.stringify(path)}`,
  ]);
  expect(onDisk()).toEqual({});
});

test("rejects paths that differ only in case, and paths below a file", () => {
  expect(problemsOf(() => write({ a: "1", A: "1", "b/c": "1", B: "1" }))).toEqual([
    'invalid-path "A"',
    'invalid-path "b/c"',
  ]);
});

test.each([
  ["an invalid format", "hello"],
  ["a path outside", `# Written by a test. It replaces x\n${"0".repeat(64)}  ../../etc/passwd\n`],
  ["an invalid line", `# Written by a test. It replaces x\nhello\n`],
])("rejects a record with %s", (_, text) => {
  put(RECORD, text);
  expect(problemsOf(() => write({}))).toEqual([`invalid-record ${RECORD}`]);
});

test("reads a record with CRLF line ends", () => {
  write({ "a.yaml": "1\n", "b.yaml": "1\n" });
  put(RECORD, readFileSync(join(dir, RECORD), "utf8").replaceAll("\n", "\r\n"));
  expect(write({ "b.yaml": "1\n" }).removed).toEqual(["a.yaml"]);
});

test("rejects a file in place of the directory", () => {
  put("file", "1");
  expect(problemsOf(() => writeTree(join(dir, "file"), tree({}), OWNER))).toEqual(["path-conflict ."]);
});

test("a directory without write permission is an error, and nothing changes", () => {
  write({ "a.yaml": "1\n" });
  chmodSync(dir, 0o555);
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.(65534);
  try {
    expect(() => write({ "a.yaml": "2\n" })).toThrow("EACCES");
    expect(write({ "a.yaml": "1\n" }).unchanged).toEqual(["a.yaml"]);
  } finally {
    if (root) process.seteuid?.(0);
    chmodSync(dir, 0o755);
  }
  expect(readdirSync(dir).toSorted()).toEqual([RECORD, "a.yaml"]);
  expect(onDisk()).toEqual({ "a.yaml": "1\n" });
});

test("diffTree returns changes and problems and writes nothing", () => {
  write({ "a.yaml": "1\n", "b.yaml": "1\n", "c.yaml": "1\n" });
  put("c.yaml", "edited\n");
  const before = onDisk();
  const { changes, problems } = diffTree(
    dir,
    tree({ "a.yaml": "2\n", "c.yaml": "2\n", "d.yaml": "1\n" }),
    OWNER,
  );
  expect(changes).toEqual([
    { kind: "remove", path: "b.yaml", before: "1\n" },
    { kind: "change", path: "a.yaml", before: "1\n", after: "2\n" },
    { kind: "change", path: "c.yaml", before: "edited\n", after: "2\n" },
    { kind: "add", path: "d.yaml", after: "1\n" },
  ]);
  expect(problems.map(({ code, path }) => `${code} ${path}`)).toEqual(["edited-file c.yaml"]);
  expect(onDisk()).toEqual(before);
  expect(diffTree(join(dir, "nowhere"), tree({ a: "1" }), OWNER).changes).toHaveLength(1);
});

test("after any earlier runs the directory has the new files and the unmanaged ones", () => {
  const path = fc.constantFrom("a", "b", "a/b", "a/c", "b/a/c", "c/d", "d");
  const anyTree = fc.dictionary(path, fc.constantFrom("1", "2", ""), { maxKeys: 4 }).filter((files) => {
    const paths = Object.keys(files);
    return paths.every((one) => paths.every((other) => !other.startsWith(`${one}/`)));
  });
  assertProperty(
    fc.property(fc.array(anyTree, { minLength: 2, maxLength: 4 }), (trees) => {
      rmSync(dir, { recursive: true, force: true });
      put("unmanaged/file", "theirs");
      for (const files of trees) {
        write(files);
        expect(onDisk()).toEqual({ ...files, "unmanaged/file": "theirs" });
        expect(diffTree(dir, tree(files), OWNER)).toEqual({
          changes: [],
          problems: [],
        });
      }
    }),
    60,
  );
});
