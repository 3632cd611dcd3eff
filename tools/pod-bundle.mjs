// Bundles a program of a pod into one file for its image: dist/controller.js, dist/agent.js, each with the notices of its packages.
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { notices } from "./licenses.mjs";
import { BUNDLE } from "./programs.mjs";

/** Programs of bin/ that run in pods. */
export const POD_PROGRAMS = ["controller", "agent"];

/** Builds a program and its notices into the directory. Returns the path of the program. */
export async function buildPodProgram(root, name, folder = join(root, "dist")) {
  const file = join(folder, `${name}.js`);
  const { metafile } = await build({
    ...BUNDLE,
    absWorkingDir: root,
    entryPoints: [`bin/${name}.ts`],
    outfile: file,
    metafile: true,
  });
  writeFileSync(join(folder, `${name}.THIRD-PARTY-NOTICES.txt`), notices(root, metafile));
  chmodSync(file, 0o755);
  return file;
}
