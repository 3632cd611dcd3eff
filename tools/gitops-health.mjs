// Builds the program that judges objects as Flux (kstatus) and Argo CD (a Lua script) do, and prints its path. Needs Go and its
// module proxy.
//
//   export CEDANA_INTEGRATION_GITOPS_HEALTH=$(node tools/gitops-health.mjs)
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
const name = process.platform === "win32" ? "gitops-health.exe" : "gitops-health";
const program = join(cache, "cedana-cdk", name);
const { status, error } = spawnSync("go", ["build", "-o", program, "."], {
  cwd: join(dirname(fileURLToPath(import.meta.url)), "gitops-health"),
  env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" },
  stdio: ["ignore", 2, 2],
});
if (status !== 0) {
  process.stderr.write(
    `gitops-health was not built: ${error?.message ?? `go ended with status ${status}`}. It needs Go (https://go.dev/dl) and access to its module proxy.\n`,
  );
  process.exit(1);
}
process.stdout.write(`${program}\n`);
