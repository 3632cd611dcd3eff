import { InvalidInputError, printable } from "../../config/schema";

/** Reference of an image in a registry. */
export interface ImageReference {
  /** Host, with its port if the name has one: `localhost:5000`, `registry.example.com`, `[::1]:5000`. */
  readonly registry: string;
  /** Path in the registry: `team/app`. */
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest?: string;
}

/** Docker Hub serves its API from another host than the one in its image names. */
const DOCKER_HUB = ["docker.io", "index.docker.io"];
const DOCKER_HUB_HOST = "registry-1.docker.io";

const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::\d{1,5})?$/;
// From OCI's distribution specification 1.1.
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const MAX_NAME = 255;

export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/**
 * Parses `host[:port]/repository[:tag][@digest]`. The host is required, so that a missing one does not push to Docker Hub.
 *
 * @throws InvalidInputError
 */
export function parseReference(text: string): ImageReference {
  const slash = text.indexOf("/");
  const registry = text.slice(0, Math.max(slash, 0));
  if (!isHost(registry)) {
    throw inputError(text, "has no registry host", "a reference such as registry.example.com/team/app:1");
  }
  const [name = "", digest, ...more] = text.slice(slash + 1).split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) {
    throw inputError(text, "has an invalid digest", "sha256: and 64 hexadecimal digits");
  }
  const colon = name.indexOf(":");
  const repository = colon < 0 ? name : name.slice(0, colon);
  const tag = colon < 0 ? undefined : name.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) {
    throw inputError(text, "has an invalid tag", "at most 128 letters, digits, _ . and -");
  }
  if (!REPOSITORY.test(repository) || registry.length + repository.length >= MAX_NAME) {
    throw inputError(
      text,
      "has an invalid repository",
      "lower-case letters, digits, and . _ - between them, components separated by /",
    );
  }
  return { registry, repository, ...(tag === undefined ? {} : { tag }), ...(digest ? { digest } : {}) };
}

/** Returns `host/repository[:tag][@digest]`. */
export function formatReference({ registry, repository, tag, digest }: ImageReference): string {
  return `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/**
 * Returns the origin of a registry's API. Plain HTTP for this machine only, HTTPS for any other: checkpoints contain the memory
 * of processes, including secrets.
 */
export function originOf(registry: string): URL {
  const host = DOCKER_HUB.includes(registry) ? DOCKER_HUB_HOST : registry;
  const secure = new URL(`https://${host}`);
  return isLoopback(secure) ? new URL(`http://${host}`) : secure;
}

export function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** Checks whether the first component is a host, as Docker does: it has a dot or a port, or is `localhost`. */
function isHost(text: string): boolean {
  const named = text === "localhost" || /[.:[]/.test(text);
  return named && HOST.test(text) && URL.canParse(`https://${text}`);
}

function inputError(given: string, message: string, allowed: string): InvalidInputError {
  const problem = { code: "image-reference", path: [], message, given: printable(given), allowed };
  return new InvalidInputError("image reference", [problem]);
}
