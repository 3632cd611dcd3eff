import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { EventEmitter } from "node:events";
import { EXIT, withFsErrors } from "../../../cli/errors";
import { ignoreClosedPipe } from "../../../cli/options";
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

test("ignores that a reader closed the pipe, and no other error of a stream", () => {
  const stream = new EventEmitter();
  ignoreClosedPipe(stream as unknown as NodeJS.WritableStream);
  expect(() =>
    stream.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" })),
  ).not.toThrow();
  const full = Object.assign(new Error("no space left"), { code: "ENOSPC" });
  expect(() => stream.emit("error", full)).toThrow("no space left");
});
