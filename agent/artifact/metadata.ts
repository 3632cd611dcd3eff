import type { CheckpointMetadata } from "../../clients/node-service";
import { printable } from "../../config/schema";
import { isObject, type Json, type JsonObject } from "../../http";
import { ArtifactError } from "./error";

const VERSION = 1;

/**
 * Reads `checkpoint.json`. Checks the fields from which names of parts are built, and their types; the service of the node
 * validates all fields.
 *
 * @param subject names the artifact or checkpoint in errors
 * @throws ArtifactError
 */
export function parseMetadata(subject: string, content: Buffer): CheckpointMetadata {
  const metadata = parse(subject, content);
  const { version, uid, pod, node, containers, volumes, createdAt, frozenNanoseconds } = metadata;
  const { sharedMemory, preDump } = metadata;
  if (version !== VERSION)
    throw new ArtifactError(subject, `has metadata of version ${printable(version)}, not ${VERSION}`);
  const invalid =
    (!(typeof uid === "string" && isObject(pod) && isObject(node)) && "uid, pod or node") ||
    (!(isObject(node) && typeof node["architecture"] === "string" && typeof createdAt === "string") &&
      "node or createdAt") ||
    (!(sharedMemory === undefined || isObject(sharedMemory)) && "sharedMemory") ||
    (!(preDump === undefined || isPreDump(preDump)) && "preDump") ||
    (typeof frozenNanoseconds !== "number" && "frozenNanoseconds") ||
    (!(Array.isArray(containers) && containers.every(isContainer)) && "containers") ||
    (!(Array.isArray(volumes) && volumes.every(isNamed)) && "volumes");
  if (invalid) throw new ArtifactError(subject, `has metadata with invalid ${invalid}`);
  return metadata as unknown as CheckpointMetadata;
}

function parse(subject: string, content: Buffer): JsonObject {
  try {
    const metadata = JSON.parse(content.toString("utf8")) as Json;
    // A list without entries is null in the JSON of Go.
    if (isObject(metadata)) return { ...metadata, volumes: metadata["volumes"] ?? [] };
  } catch {
    // Reported below.
  }
  throw new ArtifactError(subject, "has metadata that is not JSON");
}

/** Checks for a name of a container or volume: a DNS label of RFC 1123. */
function isNamed(value: Json): value is JsonObject {
  const name = isObject(value) ? value["name"] : undefined;
  return typeof name === "string" && /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name);
}

function isContainer(value: Json): boolean {
  if (!isNamed(value)) return false;
  const { files, mounts } = value;
  return (
    Array.isArray(files) &&
    files.every((file) => isObject(file) && typeof file["path"] === "string") &&
    Array.isArray(mounts) &&
    mounts.every((mount) => isObject(mount) && typeof mount["destination"] === "string")
  );
}

function isPreDump(value: Json): boolean {
  if (!isObject(value)) return false;
  const { passes, frozenNanoseconds, reason, message } = value;
  const isText = (one: Json | undefined) => one === undefined || typeof one === "string";
  const isTime = frozenNanoseconds === undefined || typeof frozenNanoseconds === "number";
  return typeof passes === "number" && isTime && isText(reason) && isText(message);
}
