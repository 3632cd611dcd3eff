// Measures the controller with many policies over many pods, on an API server in memory; docs/controller/performance.md explains
// the figures.
//
//   npm run bench:policies -- [--policies 1000] [--pods 50000] [--checkpoints 5000] [--factor 1]
//     [--seconds 120] [--rounds 3] [--node=OPTIONS] [--profile DIR]
import { join } from "node:path";
import { runBench } from "../bundled.mjs";

const program =
  process.env.CEDANA_INTEGRATION_CONTROLLER ?? join(import.meta.dirname, "../../dist/controller.js");
await runBench("policies", { CEDANA_INTEGRATION_CONTROLLER: program });
