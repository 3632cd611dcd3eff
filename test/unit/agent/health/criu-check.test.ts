import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { criuCheck, runCriuChecks, type Log } from "../../../../agent/health";

const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };

let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), "health-"))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("the container criu-check", () => {
  /** Creates a tree whose criu is a script. */
  function tree(script: string): { folder: string; imageTree: string; timeoutSeconds: number } {
    mkdirSync(join(directory, "current/bin"), { recursive: true });
    writeFileSync(join(directory, "current/bin/criu"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(directory, "current/bin/criu"), 0o755);
    return { folder: directory, imageTree: join(directory, "wanted"), timeoutSeconds: 2 };
  }

  test("reports a missing tree", async () => {
    const check = await criuCheck({
      folder: directory,
      imageTree: join(directory, "none"),
      timeoutSeconds: 2,
    });
    expect(check).toMatchObject({ error: "ENOENT" });
    expect(check.exitCode).toBeUndefined();
  });

  test("reports versions, and a program that cannot start", async () => {
    const options = tree('echo "ld.so: no such library" >&2; exit 127');
    writeFileSync(join(directory, "current/VERSION"), "4.2.1-a\n");
    writeFileSync(options.imageTree, "4.2.1-b\n");
    expect(await criuCheck(options)).toMatchObject({
      error: "--version ended with 127: ld.so: no such library",
      tree: "4.2.1-a",
      expectedTree: "4.2.1-b",
    });
  });

  test("kills a program that does not end", async () => {
    const check = await criuCheck({ ...tree("exec sleep 60"), timeoutSeconds: 0.2 });
    expect(check.error).toBe("killed after 0.1 s");
  });

  test("replaces the result of a previous container", async () => {
    const stop = new AbortController();
    const result = join(directory, "result.json");
    writeFileSync(result, "{ of a previous container");
    const log = { ...SILENT, error: () => stop.abort() };
    await runCriuChecks({ ...tree("exit 1"), result, periodSeconds: 60, log }, stop.signal);
    expect(JSON.parse(readFileSync(result, "utf8"))).toMatchObject({ error: "--version ended with 1: " });
  });
});
