// Builds a reproducible image with buildah, podman or docker: archive, SBOM and sizes.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spdx } from "./sbom.mjs";

/** The supported engines, in order of preference. */
export const ENGINES = ["buildah", "podman", "docker"];

/** Returns the named engine, else the first of ENGINES; undefined if it does not work here. */
export function findEngine(name) {
  return (name ? [name] : ENGINES).find(
    (program) => spawnSync(program, ["info"], { stdio: "ignore" }).status === 0,
  );
}

/**
 * Builds an image and writes archive and SBOM. The same context gives the same bytes.
 * @param image name, version, tag, base (reference), created (ISO 8601), architecture ("amd64", "arm64")
 * @param context directory with all files of the image; containerfile; args: build arguments in addition to BASE and VERSION
 * @param packages contents that this repository adds, for the SBOM
 * @param out directory for NAME.oci.tar and NAME.spdx.json
 * @returns { archive, sbom, digest, config, bytes }
 */
export function buildImage(engine, { image, context, containerfile, args, packages, out }) {
  mkdirSync(out, { recursive: true });
  const archive = join(out, `${image.name}.oci.tar`);
  const sbom = join(out, `${image.name}.spdx.json`);
  rmSync(archive, { force: true });
  buildWith(engine, {
    context,
    containerfile,
    args: { BASE: image.base, VERSION: image.version, ...args },
    tag: image.tag,
    epoch: Math.floor(Date.parse(image.created) / 1000),
    archive,
    architecture: image.architecture,
  });
  const { digest, config, bytes } = describeArchive(archive);
  writeFileSync(sbom, `${JSON.stringify(spdx({ ...image, digest }, packages), undefined, 2)}\n`);
  return { archive, sbom, digest, config, bytes };
}

/**
 * Builds the context and writes the image to `archive` (OCI layout, tar) and, as `tag`, to the engine's own store.
 * Times of files and of the image are `epoch` (seconds); the image does not depend on the machine or the time of the build.
 */
function buildWith(engine, { context, containerfile, args, tag, epoch, archive, architecture }) {
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
  // chroot: the build steps only unpack pinned files; they need no network, runtime or namespaces.
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

/** Returns the digests of manifest and configuration of an OCI archive, and the bytes that a push sends. */
function describeArchive(archive) {
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
  return { digest: descriptor.digest, config: manifest.config.digest, bytes };
}
