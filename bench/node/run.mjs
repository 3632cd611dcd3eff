// Measures checkpoints of the engine `kubelet` on a real node against the bare floor; docs/agent/performance.md shows what it measures.
//
//   npm run bench:node -- [--sizes 1,64,256,1024] [--rounds 5]
//
// Needs what the node tier needs (docs/testing.md): root, buildah, and CEDANA_TESTBED.
import { runBench } from "../bundled.mjs";

await runBench("node");
