// Builds Prometheus' promtool, unless it is built, and prints its path. Needs Go and its module proxy.
//
//   export CEDANA_INTEGRATION_PROMTOOL=$(node tools/promtool.mjs)
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { cached, go, printProgram } from "./go-program.mjs";

/** Version of the Go module; v0.316.0 is Prometheus 3.16.0. */
const VERSION = "v0.316.0";

const program = cached(`promtool-${VERSION}`, "promtool");
// The tag leaves out the discovery of targets, which would need the libraries of all clouds.
const install = [
  "install",
  "-tags",
  "remove_all_sd",
  `github.com/prometheus/prometheus/cmd/promtool@${VERSION}`,
];
const problem = existsSync(program) ? undefined : go(install, process.cwd(), { GOBIN: dirname(program) });
printProgram(program, `promtool ${VERSION}`, problem);
