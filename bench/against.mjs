// Measures this build and the one of another checkout alternately: npm run bench -- --against DIR [--runs N].
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { measure, ratio } from "./measure.mjs";

const CLI = "dist/bin/cedana-cdk.js";
/** Programs of a checkout with their arguments. Each checkout reads its own cedana.yaml. */
const PROGRAMS = [
  { name: "cedana-cdk --help", program: CLI, args: ["--help"] },
  { name: "cedana-cdk validate", program: CLI, args: ["validate"] },
  { name: "cedana-cdk synth", program: CLI, args: ["synth"] },
  { name: "our library, default install", program: "bench/programs/install.cjs", args: ["manifests"] },
  { name: "our library, one node group", program: "bench/programs/platform.cjs", args: [] },
];

/** Returns a table of both checkouts, as Markdown. */
export function compare({ root, against, node, rounds, scratch }) {
  const lines = [
    `| ${node.name} | before, ms | now, ms | ratio | before, CPU ms | now, CPU ms | ratio |`,
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
  ];
  const directory = join(scratch, "project");
  for (const { name, program, args } of PROGRAMS) {
    const cases = [resolve(against), root].map((checkout) => ({
      name: `${name} of ${checkout}`,
      command: [node.path, join(checkout, program), ...args],
      cwd: directory,
      node: true,
      before: () => {
        rmSync(directory, { recursive: true, force: true });
        mkdirSync(directory);
        copyFileSync(join(checkout, "cedana.yaml"), join(directory, "cedana.yaml"));
      },
    }));
    const [before, now] = measure(cases, rounds, scratch, rounds);
    const cells = [
      before.medianMs.toFixed(0),
      now.medianMs.toFixed(0),
      ratio(now.wallMs, before.wallMs).toFixed(2),
      before.cpuMs.toFixed(0),
      now.cpuMs.toFixed(0),
      ratio(now.cpuOfRounds, before.cpuOfRounds).toFixed(2),
    ];
    lines.push(`| ${name} | ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}
