// Builds the program that checks a dashboard by Grafana's own schema, unless it is built, and prints its path. Needs Go and its
// module proxy.
//
//   export CEDANA_INTEGRATION_GRAFANA_SCHEMA=$(node tools/grafana-schema.mjs)
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { cached, go, printProgram } from "./go-program.mjs";

/** Version of the Go module with Grafana's schemas, under the Apache License 2.0. */
const MODULE = "github.com/grafana/grafana-foundation-sdk/go@v0.0.22";

const source = readFileSync(join(import.meta.dirname, "grafana-schema/main.go"));
const hash = createHash("sha256").update(source).digest("hex").slice(0, 8);
const program = cached(`grafana-schema-${MODULE.split("@")[1]}-${hash}`, "grafana-schema");

/** Builds in a temporary directory: only this check depends on the module. */
function build() {
  const sources = mkdtempSync(join(tmpdir(), "grafana-schema-"));
  try {
    writeFileSync(join(sources, "main.go"), source);
    mkdirSync(dirname(program), { recursive: true });
    for (const args of [
      ["mod", "init", "grafana-schema"],
      ["get", MODULE],
      ["build", "-o", program, "."],
    ]) {
      const problem = go(args, sources, { GOFLAGS: "-mod=mod" });
      if (problem !== undefined) return problem;
    }
    return undefined;
  } finally {
    rmSync(sources, { recursive: true, force: true });
  }
}

printProgram(program, MODULE, existsSync(program) ? undefined : build());
