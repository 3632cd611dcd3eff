import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "cdktf";
import type { Platform } from "../config/platform";
import { stackFromPlatform } from "../stacks/aws";
import { withoutCreationStacks } from "../manifests/output";

/** Id that stackFromPlatform gives the stack. */
const STACK = "platform";
/** Name of the file with the whole configuration. */
export const CONFIGURATION = "cdk.tf.json";

/** Returns the Terraform configuration of a platform. cdktf only writes to a directory; a temporary one is used. */
export function terraformFiles(platform: Platform): ReadonlyMap<string, string> {
  const outdir = mkdtempSync(join(tmpdir(), "cedana-cdk-"));
  try {
    withoutCreationStacks(() => {
      const app = new App({ outdir });
      stackFromPlatform(app, platform);
      app.synth();
    });
    const text = readFileSync(join(outdir, "stacks", STACK, CONFIGURATION), "utf8");
    return new Map([[CONFIGURATION, `${JSON.stringify(portable(JSON.parse(text)), null, 2)}\n`]]);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** Replaces the absolute path of this machine in cdktf's default backend. */
function portable(configuration: { terraform?: { backend?: { local?: { path?: string } } } }): unknown {
  const local = configuration.terraform?.backend?.local;
  if (local) local.path = "terraform.tfstate";
  return configuration;
}
