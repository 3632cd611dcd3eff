import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { App } from "cdktf";
import type { Platform } from "../config/platform";
import { stackFromPlatform } from "../stacks/aws";
import { withoutCreationStacks } from "../manifests/output";

/** Name of the stack of the default platform file. */
const STACK = "platform";
/** Name of the file with the whole configuration. */
export const CONFIGURATION = "cdk.tf.json";

/**
 * Returns the name of a platform file's stack in a cdktf app. It differs for each file, because cdktf names the output
 * directory and the local state after it.
 */
export function stackOf(file: string): string {
  const name = relative("", file).replace(/\.ya?ml$/, "");
  return name === "cedana" ? STACK : `${STACK}-${name.replaceAll(/[^\w-]+/g, "-")}`;
}

/** Default state, in the directory of the configuration. The default of cdktf contains an absolute path of this machine. */
const LOCAL_STATE = { path: "terraform.tfstate" };

/** Returns the Terraform configuration of a platform. cdktf only writes to a directory; a temporary one is used. */
export function terraformFiles(platform: Platform): ReadonlyMap<string, string> {
  const terraform = { ...platform.terraform, backend: platform.terraform.backend ?? LOCAL_STATE };
  const outdir = mkdtempSync(join(tmpdir(), "cedana-cdk-"));
  try {
    withoutCreationStacks(() => {
      const app = new App({ outdir });
      stackFromPlatform(app, { ...platform, terraform });
      app.synth();
    });
    const text = readFileSync(join(outdir, "stacks", STACK, CONFIGURATION), "utf8");
    return new Map([[CONFIGURATION, `${JSON.stringify(JSON.parse(text), null, 2)}\n`]]);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}
