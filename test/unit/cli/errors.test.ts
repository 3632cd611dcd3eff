import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { EXIT, withFsErrors } from "../../../cli/errors";
import { writeTree } from "../../../manifests/output";

test("a directory without write permission is a CommandError that names the path and the reason", () => {
  const dir = mkdtempSync(join(tmpdir(), "errors-"));
  chmodSync(dir, 0o555);
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.(65534);
  try {
    expect(() => withFsErrors(() => writeTree(dir, new Map([["a.yaml", "1\n"]]), "a test"))).toThrow(
      expect.objectContaining({
        name: "CommandError",
        exitCode: EXIT.failed,
        message: expect.stringMatching(`^cannot read or write ${dir}/.*: permission denied$`) as string,
      }) as Error,
    );
  } finally {
    if (root) process.seteuid?.(0);
    rmSync(dir, { recursive: true });
  }
});
