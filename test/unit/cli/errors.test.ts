import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { EventEmitter } from "node:events";
import { EXIT, withFsErrors } from "../../../cli/errors";
import { handleOutputErrors } from "../../../cli/options";
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

test("says nothing if the reader closed the pipe, and reports other errors of stdout", () => {
  const stdout = new EventEmitter();
  handleOutputErrors(stdout as unknown as NodeJS.WritableStream);
  const stderr = jest.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    stdout.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    expect(stderr).not.toHaveBeenCalled();
    expect(process.exitCode).toBeUndefined();
    stdout.emit("error", Object.assign(new Error("no space left"), { code: "ENOSPC" }));
    expect(stderr).toHaveBeenCalledWith("cannot write to stdout: no space left\n");
    expect(process.exitCode).toBe(EXIT.failed);
  } finally {
    stderr.mockRestore();
    process.exitCode = undefined;
  }
});
