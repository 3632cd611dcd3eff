// buildah, podman and docker: how each builds an image that is the same whenever it is built.
import { execFileSync, spawnSync } from "node:child_process";

/** The engines in the order in which they are tried. */
export const ENGINES = ["buildah", "podman", "docker"];

/** The first engine that is there and works, or the one that is asked for; undefined if there is none. */
export function findEngine(asked) {
  return (asked ? [asked] : ENGINES).find(
    (program) => spawnSync(program, ["info"], { stdio: "ignore" }).status === 0,
  );
}

/**
 * Builds the context and writes the image to `archive` (OCI layout, tar) and, as `tag`, to the engine's own store.
 * Times of files and of the image are `epoch` (seconds); nothing tells which machine built it, or when.
 */
export function buildWith(engine, { context, containerfile, args, tag, epoch, archive, architecture }) {
  const common = [
    ...Object.entries({ ...args, SOURCE_DATE_EPOCH: String(epoch) }).flatMap(([key, value]) => [
      "--build-arg",
      `${key}=${value}`,
    ]),
    "--platform",
    `linux/${architecture}`,
    "--file",
    containerfile,
    "--tag",
    tag,
  ];
  if (engine === "docker") {
    // rewrite-timestamp is BuildKit's (0.13 and later); the classic builder cannot be reproducible.
    const archived = `type=oci,dest=${archive},rewrite-timestamp=true`;
    const stored = "type=docker,rewrite-timestamp=true";
    const bare = ["--provenance=false", "--sbom=false"];
    run("docker", ["buildx", "build", ...common, ...bare, "--output", archived, "--output", stored, context]);
    return;
  }
  // chroot: what runs while building unpacks pinned files and needs no network, no runtime and no namespaces.
  const flags = [
    "--isolation",
    "chroot",
    "--timestamp",
    String(epoch),
    "--layers=false",
    "--identity-label=false",
  ];
  run(engine, ["build", ...common, ...flags, context]);
  run(engine, ["push", "--quiet", tag, `oci-archive:${archive}:${tag}`]);
}

function run(program, list) {
  try {
    execFileSync(program, list, { stdio: ["ignore", "inherit", "inherit"] });
  } catch (error) {
    throw new Error(`${program} ${list[0]} failed (exit code ${error.status})`, { cause: error });
  }
}

/** What an OCI archive holds: digest of the manifest, digest of the configuration, bytes as pushed, annotations aside. */
export function describeArchive(archive) {
  const read = (path) => execFileSync("tar", ["-xOf", archive, path], { maxBuffer: 16e6 });
  const blob = ({ digest }) => JSON.parse(read(`blobs/${digest.replace(":", "/")}`));
  let [descriptor] = JSON.parse(read("index.json")).manifests;
  let manifest = blob(descriptor);
  while (manifest.manifests) {
    [descriptor] = manifest.manifests;
    manifest = blob(descriptor);
  }
  const bytes = manifest.layers.reduce(
    (sum, layer) => sum + layer.size,
    manifest.config.size + descriptor.size,
  );
  return {
    digest: descriptor.digest,
    config: manifest.config.digest,
    bytes,
    manifest,
    configuration: blob(manifest.config),
  };
}
