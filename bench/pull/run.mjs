// Measures the processor time of the push and the pull of a checkpoint, by process: see docs/agent/performance.md. Processor
// time can be compared on a machine that does other work too. A "read" is a pull whose content is discarded.
//
//   npm run bench:pull -- [--megabytes 1024] [--rounds 3]
//
// Requirements: root, Go, and crane in TESTBED_CACHE (docs/testing.md). No node.
import { runBench } from "../bundled.mjs";

await runBench("pull");
