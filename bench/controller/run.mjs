// Measures the controller with thousands of simulated nodes; docs/controller/performance.md shows what it measures.
//
//   npm run bench:controller -- [--nodes 1000,5000] [--pods 100000] [--rounds 3]
//
// CEDANA_TESTBED names the folder of a Kubernetes test bed with the commands up and down; or CEDANA_INTEGRATION_KUBECONFIG
// leads to a cluster of it that runs already and may be filled.
import { join } from "node:path";
import { runBench } from "../bundled.mjs";

const program =
  process.env.CEDANA_INTEGRATION_CONTROLLER ?? join(import.meta.dirname, "../../dist/controller.js");
await runBench("controller", { CEDANA_INTEGRATION_CONTROLLER: program });
