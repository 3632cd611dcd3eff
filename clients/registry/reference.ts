import { InvalidInputError, printable } from "../../config/schema";

/** An image in a registry, as its name says. */
export interface ImageReference {
  /** Host, with its port if the name has one: `localhost:5000`, `registry.example.com`, `[::1]:5000`. */
  readonly registry: string;
  /** Path in the registry: `team/app`. */
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest?: string;
}

/** Docker Hub answers at another host than its images are named by. */
const DOCKER_HUB = ["docker.io", "index.docker.io"];
const DOCKER_HUB_HOST = "registry-1.docker.io";

const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::\d{1,5})?$/;
// From the distribution specification of OCI, 1.1.
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const MAX_NAME = 255;

export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/**
 * Reads `host[:port]/repository[:tag][@digest]`. The host must be named: nothing is pushed to Docker Hub because a host was
 * forgotten.
 *
 * @throws InvalidInputError
 */
export function parseReference(text: string): ImageReference {
  const slash = text.indexOf("/");
  const registry = text.slice(0, Math.max(slash, 0));
  if (!isHost(registry)) {
    throw refusal(text, "names no registry", "put its host first: registry.example.com/team/app:1");
  }
  const [name = "", digest, ...more] = text.slice(slash + 1).split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) {
    throw refusal(text, "has a digest that cannot be", "a digest is sha256: and 64 hexadecimal digits");
  }
  const colon = name.indexOf(":");
  const repository = colon < 0 ? name : name.slice(0, colon);
  const tag = colon < 0 ? undefined : name.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) {
    throw refusal(text, "has a tag that cannot be", "at most 128 letters, digits, _ . and -");
  }
  if (!REPOSITORY.test(repository) || registry.length + repository.length >= MAX_NAME) {
    throw refusal(
      text,
      "has a repository that cannot be",
      "lower-case letters, digits, and . _ - between them, parts divided by /",
    );
  }
  return { registry, repository, ...(tag === undefined ? {} : { tag }), ...(digest ? { digest } : {}) };
}

/** `host/repository[:tag][@digest]`. */
export function formatReference({ registry, repository, tag, digest }: ImageReference): string {
  return `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/**
 * Where a registry answers. Plain HTTP for this machine itself, HTTPS for all others: a checkpoint holds the memory of
 * processes, and with it their secrets.
 */
export function originOf(registry: string): URL {
  const host = DOCKER_HUB.includes(registry) ? DOCKER_HUB_HOST : registry;
  const secure = new URL(`https://${host}`);
  return isLoopback(secure) ? new URL(`http://${host}`) : secure;
}

export function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** As Docker tells a host from the first part of a path: a dot, a port, or `localhost`. */
function isHost(text: string): boolean {
  const named = text === "localhost" || /[.:[]/.test(text);
  return named && HOST.test(text) && URL.canParse(`https://${text}`);
}

function refusal(given: string, message: string, allowed: string): InvalidInputError {
  const problem = { code: "image-reference", path: [], message, given: printable(given), allowed };
  return new InvalidInputError("image reference", [problem]);
}
