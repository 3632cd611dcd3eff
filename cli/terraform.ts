import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { App } from "cdktf";
import { repositoryWithAgents, type Platform } from "../config/platform";
import { PlatformStack } from "../stacks/aws";
import { withoutCreationStacks } from "../manifests/output";

/** Stack of the default platform file. */
const STACK = "platform";
/** Name of the file with the whole configuration. */
export const CONFIGURATION = "cdk.tf.json";

/**
 * Returns the stack of a platform file in a cdktf app. Each file has its own: cdktf names the output directory and the local
 * state after it.
 */
export function stackOf(file: string): string {
  const name = relative("", file).replace(/\.ya?ml$/, "");
  return name === "cedana" ? STACK : `${STACK}-${name.replaceAll(/[^\w-]+/g, "-")}`;
}

/** Adds the AWS side of a platform to a cdktf app. Two clusters do not share a state in S3 unless the file says so. */
export function addStack(app: App, platform: Platform, id = STACK): PlatformStack {
  const { cluster, existingCluster, network, nodeGroups, karpenter, storage } = platform;
  const { backend, tags } = platform.terraform;
  const { name, region } = (cluster ?? existingCluster)!;
  return new PlatformStack(app, id, {
    cluster,
    existingCluster,
    network,
    nodeGroups,
    karpenter,
    storage,
    imageRepository: repositoryWithAgents(platform),
    tags,
    backend: backend && { ...backend, key: backend.key ?? `${region}/${name}/platform.tfstate` },
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
