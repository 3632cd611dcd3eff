// Builds Prometheus' promtool, unless it is built, and prints its path. Needs Go and its module proxy.
//
//   export CEDANA_INTEGRATION_PROMTOOL=$(node tools/promtool.mjs)
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Version of the Go module; v0.316.0 is Prometheus 3.16.0. */
const VERSION = "v0.316.0";

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
const folder = join(cache, "cedana-cdk", `promtool-${VERSION}`);
const program = join(folder, process.platform === "win32" ? "promtool.exe" : "promtool");
if (!existsSync(program)) {
  // The tag leaves out the discovery of targets, which would need the libraries of all clouds.
  const path = `github.com/prometheus/prometheus/cmd/promtool@${VERSION}`;
  const env = { ...process.env, GOBIN: folder, CGO_ENABLED: "0" };
  const { status, error } = spawnSync("go", ["install", "-tags", "remove_all_sd", path], {
    env,
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) {
    process.stderr.write(
      `promtool ${VERSION} was not built: ${error?.message ?? `go ended with status ${status}`}. It needs Go (https://go.dev/dl) and access to its module proxy.\n`,
    );
    process.exit(1);
  }
}
process.stdout.write(`${program}\n`);
