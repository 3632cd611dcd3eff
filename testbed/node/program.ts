import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, run } from "./run";
import { REGISTRY } from "./testbed";

/** Builds a static program of runtime/test, pushes it with busybox as the image `NAME:1`, and returns it. */
export function pushProgram(name: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "program-"));
  try {
    mkdirSync(join(folder, "bin"));
    const built = join(folder, "bin", name);
    const env = { ...process.env, CGO_ENABLED: "0" };
    run("go", ["build", "-trimpath", "-o", built, `./test/${name}`], { cwd: join(ROOT, "runtime"), env });
    const layer = join(folder, "layer.tar");
    run("tar", ["--owner=0", "--group=0", "-C", folder, "-cf", layer, `bin/${name}`]);
    const crane = join(process.env["TESTBED_CACHE"] ?? join(homedir(), ".cache/cedana-testbed"), "bin/crane");
    const [base, tag] = [`${REGISTRY}/busybox:1`, `${REGISTRY}/${name}:1`];
    run(crane, ["append", "--insecure", "--base", base, "--new_layer", layer, "--new_tag", tag]);
    return readFileSync(built);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
