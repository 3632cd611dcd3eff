// Measures checkpoints of the kubelet engine on a real node, and the minimum of a plain request and upload: see
// docs/agent/performance.md.
//
//   npm run bench:node -- [--sizes 1,64,256,1024] [--rounds 5]
//
// Requirements as for the node tier (docs/testing.md): root, buildah, and CEDANA_TESTBED.
import { runBench } from "../bundled.mjs";

await runBench("node");
