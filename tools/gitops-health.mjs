// Builds the program that judges objects as Flux (kstatus) and Argo CD (a Lua script) do, and prints its path. Needs Go and its
// module proxy.
//
//   export CEDANA_INTEGRATION_GITOPS_HEALTH=$(node tools/gitops-health.mjs)
import { join } from "node:path";
import { cached, go, printProgram } from "./go-program.mjs";

const program = cached("", "gitops-health");
const sources = join(import.meta.dirname, "gitops-health");
printProgram(
  program,
  "gitops-health",
  go(["build", "-o", program, "."], sources, { GOFLAGS: "-mod=readonly" }),
);
