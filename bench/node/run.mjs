// Measures checkpoints and restores of the engine `criu` on a real node, beside the engine of another commit and a floor: see
// docs/agent/performance.md.
//
//   npm run bench:node -- [--against DIR] [--sizes 1,64,256,1024] [--rounds 3]
//
// Requirements as for the node tier (docs/testing.md): root, buildah, Go, and CEDANA_TESTBED. DIR is a built checkout.
import { join } from "node:path";
import { bundle, runBench } from "../bundled.mjs";

const against = process.argv.indexOf("--against");
const checkouts = [join(import.meta.dirname, "../.."), ...(against < 0 ? [] : [process.argv[against + 1]])];
// Modules of testbed/ use the checkout two directories above their bundle: the same code installs both engines.
for (const each of checkouts) await bundle("node", "side.ts", join(each, "out/bench-side/side.cjs"));
await runBench("node");
