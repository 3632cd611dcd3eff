import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { criuCheck, runCriuChecks, type Log } from "../../../../agent/health";
import { NodeServiceClient } from "../../../../clients/node-service";
import { FakeNodeService } from "../../../support/node-service";

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

  test.each([
    ["exit 0", true],
    ["[ $# != 3 ]", false],
    ["[ $1 = --version ]", undefined],
  ])("reports whether the kernel tracks memory: %s", async (script, tracksMemory) => {
    const path = process.env["PATH"];
    // Creating namespaces needs root.
    const shim = join(directory, "unshare");
    writeFileSync(shim, '#!/bin/sh\nuntil [ "${1#--}" = "$1" ]; do shift; done\nexec "$@"\n', {
      mode: 0o755,
    });
    process.env["PATH"] = `${directory}:${path}`;
    try {
      expect((await criuCheck(tree(script))).tracksMemory).toBe(tracksMemory);
    } finally {
      process.env["PATH"] = path;
    }
  });

  test("reports whether the host service responds", async () => {
    const result = join(directory, "result.json");
    const run = async (socket: string) => {
      const stop = new AbortController();
      const messages: string[] = [];
      const log: Log = {
        ...SILENT,
        info: (_, message) => (messages.push(message), stop.abort()),
        error: (_, message) => (messages.push(message), stop.abort()),
      };
      const node = new NodeServiceClient(socket);
      const service = (signal: AbortSignal) => node.state(signal);
      await runCriuChecks({ ...tree("exit 0"), service, result, periodSeconds: 60, log }, stop.signal);
      expect(messages).toHaveLength(1);
      return JSON.parse(readFileSync(result, "utf8")).service as { error?: string };
    };
    const fake = await new FakeNodeService().start();
    const state = { checkpoints: [], inFlight: [], plans: [], stagings: [], freeBytes: 1 };
    fake.results.set("state", state);
    try {
      expect(await run(fake.socket)).toEqual({});
    } finally {
      await fake.stop();
    }
    expect((await run(join(directory, "none.sock"))).error).toContain("ENOENT");
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
