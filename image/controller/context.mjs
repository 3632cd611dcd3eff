// The build context of the controller's image: the program as one file, and the notices of what is in it.
import { execFileSync } from "node:child_process";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { buildPodProgram } from "../../tools/pod-bundle.mjs";
import { bundledPackages } from "../lib/bundled.mjs";

/** It has no options of its own. */
export const OPTIONS = {};

/** Fills the folder. Returns the build arguments and the packages for the SBOM. */
export async function prepare(folder, { root, version }) {
  await buildPodProgram(root, "controller", folder);
  const notices = join(folder, "THIRD-PARTY-NOTICES.txt");
  renameSync(join(folder, "controller.THIRD-PARTY-NOTICES.txt"), notices);
  const bundled = bundledPackages(readFileSync(notices, "utf8"));
  return {
    args: { REVISION: execFileSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8" }).trim() },
    packages: [{ name: "cedana-controller", version, licence: "Apache-2.0" }, ...bundled],
  };
}
