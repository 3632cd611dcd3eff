// Prepares the build context of the controller's image: the program as one file, and its third-party notices.
import { execFileSync } from "node:child_process";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { buildPodProgram } from "../../tools/pod-bundle.mjs";
import { bundledPackages } from "../sbom.mjs";

/** The image has no options in addition to the common ones. */
export const OPTIONS = {};

/** Writes the context to `directory`. Returns the build arguments and the packages for the SBOM. */
export async function prepare(directory, { root, version }) {
  await buildPodProgram(root, "controller", directory);
  const notices = join(directory, "THIRD-PARTY-NOTICES.txt");
  renameSync(join(directory, "controller.THIRD-PARTY-NOTICES.txt"), notices);
  const bundled = bundledPackages(readFileSync(notices, "utf8"));
  return {
    args: { REVISION: execFileSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8" }).trim() },
    packages: [{ name: "cedana-controller", version, licence: "Apache-2.0" }, ...bundled],
  };
}
