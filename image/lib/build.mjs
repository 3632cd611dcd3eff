// Builds an image of a prepared context twice the same: archive, SBOM and figures beside it.
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildWith, describeArchive } from "./engines.mjs";
import { spdx } from "./sbom.mjs";

/**
 * @param image name, version, tag, base (reference), created (ISO 8601), architecture ("amd64", "arm64")
 * @param context folder with all that the image is made of; containerfile; args: build arguments beside BASE and VERSION
 * @param packages what we put in, for the SBOM
 * @param out folder for NAME.oci.tar and NAME.spdx.json
 * @returns { archive, sbom, digest, config, bytes, archiveBytes }
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
  return { archive, sbom, digest, config, bytes, archiveBytes: statSync(archive).size };
}
