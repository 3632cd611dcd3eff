/** The prepared test of a GPU, test/gpu/checkpoint.sh, on a machine without one: each thing that is missing is named. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const SCRIPT = join(__dirname, "../gpu/checkpoint.sh");
/** Programs of the machine that the script calls before the GPU is used. */
const TOOLS = [
  "bash",
  "cat",
  "date",
  "dirname",
  "grep",
  "head",
  "kill",
  "mkdir",
  "mktemp",
  "rm",
  "sed",
  "seq",
  "setsid",
  "sleep",
  "tail",
  "uname",
];

let folder: string;
let bin: string;
let tree: string;

const program = (path: string, text: string) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gpu-"));
  [bin, tree] = [join(folder, "bin"), join(folder, "tree")];
  mkdirSync(bin);
  for (const each of TOOLS) {
    const path = process.env["PATH"]!.split(":").find((one) => {
      try {
        return readdirSync(one).includes(each);
      } catch {
        return false;
      }
    });
    if (path !== undefined) symlinkSync(join(path, each), join(bin, each));
  }
  program(join(bin, "id"), "echo 0");
  program(join(bin, "nvidia-smi"), "echo 'NVIDIA Test, 1.2.3'");
  // Stands in for JSON's quoting and for count.py, which has no libcuda.so.1.
  program(
    join(bin, "python3"),
    `if [ "$1" = -c ]; then printf '"%s"' "$3"; else echo "error libcuda.so.1: cannot open shared object file"; exit 1; fi`,
  );
  program(join(tree, "bin/criu"), "echo 'Version: 4.2.1'");
  mkdirSync(join(tree, "lib/criu"), { recursive: true });
  writeFileSync(join(tree, "lib/criu/cuda_plugin.so"), "");
  program(join(tree, "bin/cuda-checkpoint"), "echo 'Version 580.1'");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (...list: string[]) =>
  spawnSync("/bin/bash", [SCRIPT, ...list], { env: { PATH: bin, TMPDIR: folder }, encoding: "utf8" });
const missing = (path: string) => rmSync(path);

test.each([
  [
    "nvidia-smi is missing",
    () => missing(join(bin, "nvidia-smi")),
    "this machine has no GPU: nvidia-smi is missing",
  ],
  [
    "the driver does not run",
    () => program(join(bin, "nvidia-smi"), "echo 'no driver'; exit 9"),
    "nvidia-smi reports: no driver",
  ],
  ["the user is not root", () => program(join(bin, "id"), "echo 1000"), "root is needed"],
  ["Python is missing", () => missing(join(bin, "python3")), "python3 is missing"],
  [
    "CRIU is missing",
    () => missing(join(tree, "bin/criu")),
    "bin/criu is missing: give the directory of an installed version",
  ],
  [
    "the plugin is missing",
    () => missing(join(tree, "lib/criu/cuda_plugin.so")),
    "build the image with --cuda-plugin",
  ],
  [
    "cuda-checkpoint is missing",
    () => missing(join(tree, "bin/cuda-checkpoint")),
    "build the image with --cuda-checkpoint",
  ],
])("ends with status 3 if %s", (_, prepare, message) => {
  prepare();
  const { status, stderr, stdout } = run(tree);
  expect({ status, stdout }).toEqual({ status: 3, stdout: "" });
  expect(stderr).toContain(message);
});

test.each([[[]], [["--unknown"]], [["tree", "more"]], [["tree", "--megabytes", "0"]]])(
  "ends with status 2 and its usage for the arguments %j",
  (list) => {
    const { status, stderr } = run(...list);
    expect(status).toBe(2);
    expect(stderr).toContain("usage: checkpoint.sh TREE");
  },
);

test("reports a process that cannot use the GPU as a failed result with all versions", () => {
  const { status, stdout } = run(tree, "--megabytes", "16");
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    result: "failed",
    error: "the process does not count: error libcuda.so.1: cannot open shared object file",
    gpu: "NVIDIA Test",
    driver: "1.2.3",
    criu: "4.2.1",
    cudaCheckpoint: "580.1",
    megabytes: 16,
    dumpMilliseconds: null,
  });
  // Nothing is left of the run.
  expect(readdirSync(folder).toSorted()).toEqual(["bin", "tree"]);
});

test("docs/gpu.md names the script, and that a GPU was not used", () => {
  const page = readFileSync(join(__dirname, "../../docs/gpu.md"), "utf8");
  expect(page).toContain("test/gpu/checkpoint.sh");
  expect(page).toContain("not proven");
});
