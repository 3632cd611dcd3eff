/**
 * Gives each run of jest a temporary directory, and removes it at the end: cdk8s and cdktf leave one directory in it for each
 * app that a test synthesizes.
 */
const { chmodSync, mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const path = require("node:path");

module.exports = () => {
  const original = process.env.TMPDIR;
  const directory = mkdtempSync(path.join(tmpdir(), "cedana-tests-"));
  // Some tests run a program as another user.
  chmodSync(directory, 0o755);
  process.env.TMPDIR = directory;
  globalThis.removeTemporaryDirectory = () => {
    if (original === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = original;
    rmSync(directory, { recursive: true, force: true });
  };
};
