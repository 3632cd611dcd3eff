// A program of a pod as one file, for its image: dist/controller.js, dist/agent.js, with the notices of what is in it beside it.
import { chmodSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { notices } from "./licenses.mjs";
import { BUNDLE, PLUGINS } from "./programs.mjs";

/**
 * Of Kubernetes' client only the kubeconfig is used. Its entry loads the models of the whole API, 5 MB of code that
 * would be compiled and kept in memory.
 */
const kubeconfigOnly = {
  name: "kubeconfig-only",
  setup(bundle) {
    const entry = createRequire(import.meta.url).resolve("@kubernetes/client-node");
    const folder = dirname(entry);
    bundle.onResolve({ filter: /^@kubernetes\/client-node$/ }, () => ({
      path: join(folder, "config.js"),
      sideEffects: false,
    }));
    // Its modules define things and do nothing, so that those nobody asks for can be left out.
    bundle.onResolve({ filter: /^\./ }, ({ importer, path, resolveDir }) =>
      importer.startsWith(folder) ? { path: join(resolveDir, path), sideEffects: false } : undefined,
    );
  },
};

/** The programs of bin/ that run in pods, and not on a user's machine. */
export const POD_PROGRAMS = ["controller", "agent"];

/** Builds a program and its notices into the folder; returns the program's path. */
export async function buildPodProgram(root, name, folder = join(root, "dist")) {
  const file = join(folder, `${name}.js`);
  const { metafile } = await build({
    ...BUNDLE,
    absWorkingDir: root,
    entryPoints: [`bin/${name}.ts`],
    outfile: file,
    metafile: true,
    plugins: [...PLUGINS, kubeconfigOnly],
  });
  writeFileSync(join(folder, `${name}.THIRD-PARTY-NOTICES.txt`), notices(root, metafile));
  chmodSync(file, 0o755);
  return file;
}
