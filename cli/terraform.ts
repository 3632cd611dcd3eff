import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "cdktf";
import { repositoryWithAgents, type Platform } from "../config/platform";
import { PlatformStack } from "../stacks/aws";
import { withoutCreationStacks } from "../manifests/output";

const STACK = "platform";
/** Name of the file with the whole configuration. */
export const CONFIGURATION = "cdk.tf.json";

/** The AWS side of a platform as a stack of a cdktf app. */
export function addStack(app: App, platform: Platform): PlatformStack {
  const { cluster, existingCluster, network, nodeGroups, karpenter, storage } = platform;
  const { backend, tags } = platform.terraform;
  return new PlatformStack(app, STACK, {
    cluster,
    existingCluster,
    network,
    nodeGroups,
    karpenter,
    storage,
    imageRepository: repositoryWithAgents(platform),
    tags,
    backend,
  });
}

/** The Terraform configuration of a platform. cdktf can only write it to a directory; that one is thrown away. */
export function terraformFiles(platform: Platform): ReadonlyMap<string, string> {
  const outdir = mkdtempSync(join(tmpdir(), "cedana-cdk-"));
  try {
    withoutCreationStacks(() => {
      const app = new App({ outdir });
      addStack(app, platform);
      app.synth();
    });
    const text = readFileSync(join(outdir, "stacks", STACK, CONFIGURATION), "utf8");
    return new Map([[CONFIGURATION, `${JSON.stringify(portable(JSON.parse(text)), null, 2)}\n`]]);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** cdktf's default backend holds the path of the machine that it ran on. */
function portable(configuration: { terraform?: { backend?: { local?: { path?: string } } } }): unknown {
  const local = configuration.terraform?.backend?.local;
  if (local) local.path = "terraform.tfstate";
  return configuration;
}
