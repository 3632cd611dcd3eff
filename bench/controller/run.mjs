// Measures the controller with thousands of simulated nodes; docs/controller/performance.md shows what it measures.
//
//   npm run bench:controller -- [--nodes 1000,5000] [--pods 100000] [--rounds 3]
//
// Set CEDANA_TESTBED to the directory of a Kubernetes test bed (commands up and down), or CEDANA_INTEGRATION_KUBECONFIG to a
// running cluster of it, which the benchmark fills with objects.
import { join } from "node:path";
import { runBench } from "../bundled.mjs";

const program =
  process.env.CEDANA_INTEGRATION_CONTROLLER ?? join(import.meta.dirname, "../../dist/controller.js");
await runBench("controller", { CEDANA_INTEGRATION_CONTROLLER: program });
