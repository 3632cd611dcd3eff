// Measures the controller's memory on an API server in memory, with nodes and pods as large as real ones.
//
//   npm run bench:memory -- [--nodes 1000] [--pods 100000] [--checkpoints 2000] [--rounds 3] [--program FILE]...
//
// Each --program is the command of a controller after "node" (default: dist/controller.js with the options of the image); the
// rounds alternate between them.
import { join } from "node:path";
import { runBench } from "../bundled.mjs";

const program = join(import.meta.dirname, "../../dist/controller.js");
await runBench("memory", { CEDANA_INTEGRATION_CONTROLLER: program });
