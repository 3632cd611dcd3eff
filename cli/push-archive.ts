import { readFileSync } from "node:fs";
import {
  ArchiveError,
  notRestored,
  pushArchive,
  restorePod,
  type NotRestored,
  type PushedImage,
} from "../agent/archive";
import {
  credentialsFor,
  ecrCredentials,
  ecrRegion,
  parseReference,
  podIdentity,
  RegistryClient,
  RegistryError,
  type Credentials,
  type ImageReference,
} from "../clients/registry";
import { InvalidInputError } from "../config";
import { toYaml } from "../render/yaml";
import { CommandError, EXIT } from "./errors";

export interface CheckpointImageOptions {
  /** Architecture, as OCI names it, if the archive does not contain it. */
  readonly arch?: string;
  /** Path of a Docker config.json with credentials. */
  readonly dockerConfig?: string;
  readonly output: "text" | "json";
}

/** Builds an image from a kubelet's checkpoint archive, pushes it, and returns a report. */
export async function pushCheckpointImage(
  file: string,
  name: string,
  { arch, dockerConfig, output }: CheckpointImageOptions,
): Promise<string> {
  const pushed = await withCommandErrors(async () => {
    const reference = parseReference(name);
    const { registry, digest } = reference;
    if (digest !== undefined) {
      throw new CommandError(
        `${name}: the reference of a new image has no digest; remove @...`,
        EXIT.badInput,
      );
    }
    const credentials = await credentialsOf(reference, dockerConfig);
    const client = new RegistryClient({ registry, credentials });
    try {
      return await pushArchive({ file, reference, client, architecture: arch });
    } finally {
      client.close();
    }
  });
  const differences = notRestored(pushed.metadata);
  return output === "json"
    ? `${JSON.stringify({ ...pushed, notRestored: differences }, null, 2)}\n`
    : text(name, pushed, differences);
}

/** Returns the credentials of the given file, or for ECR those of this pod. */
async function credentialsOf(
  { registry, repository }: ImageReference,
  dockerConfig?: string,
): Promise<Credentials | undefined> {
  if (dockerConfig !== undefined)
    return credentialsFor(readFileSync(dockerConfig, "utf8"), registry, repository);
  if (ecrRegion(registry) === undefined) return undefined;
  try {
    const found = await podIdentity();
    return found && (await ecrCredentials(registry, found));
  } catch (error) {
    throw new CommandError(`no credentials for ${registry}: ${(error as Error).message}`, EXIT.failed);
  }
}

async function withCommandErrors(work: () => Promise<PushedImage>): Promise<PushedImage> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ArchiveError || error instanceof InvalidInputError)
      throw new CommandError(error.message, EXIT.badInput);
    if (error instanceof RegistryError) throw new CommandError(error.message, EXIT.failed);
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === undefined || path === undefined) throw error;
    throw new CommandError(`${path}: cannot be read (${code})`, EXIT.badInput);
  }
}

function text(
  name: string,
  { image, size, architecture, metadata }: PushedImage,
  differences: readonly NotRestored[],
) {
  const { containerName, pod, baseImage, checkpointedAt, frozenMs } = metadata;
  const frozen = frozenMs === undefined ? "" : `, frozen by CRIU for ${Math.round(frozenMs)} ms`;
  const container = `${containerName} of pod ${pod.namespace ?? "?"}/${pod.name ?? "?"}`;
  return `pushed: ${name}, ${mebibytes(size)}
image: ${image}
container: ${container}, linux/${architecture}, ${checkpointedAt.toISOString()}${frozen}
base image: ${baseImage.name}${baseImage.digest === undefined ? "" : ` (${baseImage.digest})`}

Differences after a restore:
${differences.map(({ message }) => `  - ${message}\n`).join("")}
A pod that resumes from this checkpoint (containerd 2.1 to 2.3, or CRI-O):

${toYaml(restorePod(image, metadata))}`;
}

function mebibytes(size: number): string {
  return `${(size / 2 ** 20).toFixed(1)} MiB`;
}
