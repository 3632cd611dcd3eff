// Builds the program that checks a dashboard by Grafana's own schema, unless it is built, and prints its path. Needs Go and its
// module proxy.
//
//   export CEDANA_INTEGRATION_GRAFANA_SCHEMA=$(node tools/grafana-schema.mjs)
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** Version of the Go module with Grafana's schemas, under the Apache License 2.0. */
const MODULE = "github.com/grafana/grafana-foundation-sdk/go@v0.0.22";

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
const source = readFileSync(join(import.meta.dirname, "grafana-schema/main.go"));
const hash = createHash("sha256").update(source).digest("hex").slice(0, 8);
const folder = join(cache, "cedana-cdk", `grafana-schema-${MODULE.split("@")[1]}-${hash}`);
const program = join(folder, process.platform === "win32" ? "grafana-schema.exe" : "grafana-schema");

/** Builds in a temporary directory: only this check depends on the module. */
function build() {
  const sources = mkdtempSync(join(tmpdir(), "grafana-schema-"));
  try {
    writeFileSync(join(sources, "main.go"), source);
    mkdirSync(folder, { recursive: true });
    const env = { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=mod" };
    for (const args of [
      ["mod", "init", "grafana-schema"],
      ["get", MODULE],
      ["build", "-o", program, "."],
    ]) {
      const { status, error } = spawnSync("go", args, { cwd: sources, env, stdio: ["ignore", 2, 2] });
      if (status !== 0) return error?.message ?? `go ${args[0]} ended with status ${status}`;
    }
    return undefined;
  } finally {
    rmSync(sources, { recursive: true, force: true });
  }
}

const problem = existsSync(program) ? undefined : build();
if (problem !== undefined) {
  process.stderr.write(
    `${MODULE} was not built: ${problem}. It needs Go (https://go.dev/dl) and access to its module proxy.\n`,
  );
  process.exit(1);
}
process.stdout.write(`${program}\n`);
