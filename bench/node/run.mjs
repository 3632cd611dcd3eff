// Measures checkpoints and restores of the engine `criu` on a real node, beside the engine of another commit and a floor: see
// docs/agent/performance.md.
//
//   npm run bench:node -- [--against DIR] [--lazy] [--sizes 1,64,256,1024] [--rounds 3]
//
// Requirements as for the node tier (docs/testing.md): root, buildah, Go, and CEDANA_TESTBED. DIR is a built checkout.
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { build } from "esbuild";
import { BUNDLE, runBench } from "../bundled.mjs";

const against = process.argv.indexOf("--against");
const checkouts = [join(import.meta.dirname, "../.."), ...(against < 0 ? [] : [process.argv[against + 1]])];
// Each checkout installs its engine by its own testbed/, which finds the checkout two directories above the bundle.
const contents = readFileSync(join(import.meta.dirname, "side.ts"), "utf8");
for (const each of checkouts)
  await build({
    ...BUNDLE,
    stdin: { contents, loader: "ts", sourcefile: "side.ts", resolveDir: join(each, "bench/node") },
    outfile: join(each, "out/bench-side/side.cjs"),
  });
await runBench("node");
