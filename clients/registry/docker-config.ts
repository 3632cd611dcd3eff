import { nameMatcher } from "../../config/glob";
import { InvalidInputError, type Problem } from "../../config/schema";

/** Identifies this client to a registry. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  /** Exchanged for a token, as `docker login` stores it for some registries. */
  | { readonly identityToken: string }
  /** Sent unchanged. */
  | { readonly registryToken: string };

interface Entry {
  readonly auth?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly identitytoken?: unknown;
  readonly registrytoken?: unknown;
}

/**
 * Returns the credentials for a repository from the text of a Docker `config.json`: those of the most specific entry of `auths`
 * that covers it. Keys may be hosts, hosts with a path or URLs. Each label of a host may be a pattern with `*`, `?` and `[...]`,
 * as in the pull secrets of Kubernetes. A host is compared without regard to case, and to the default port 443. The programs of
 * `credsStore` and `credHelpers` are not run.
 *
 * @returns undefined if no entry covers the repository: requests are then sent without credentials
 * @throws InvalidInputError if the text is not such a file, the entry has no credentials, or only a program has them. The error
 *   does not show the file's content.
 */
export function credentialsFor(text: string, registry: string, repository: string): Credentials | undefined {
  const config = parse(text);
  const auths = (config["auths"] ?? {}) as Record<string, Entry>;
  const wanted = locationOf(`${registry}/${repository}`);
  const [key] = Object.keys(auths)
    .filter((name) => covers(locationOf(name), wanted))
    .toSorted((a, b) => moreSpecific(locationOf(a), locationOf(b)));
  const found = key === undefined ? undefined : credentialsOf(auths[key] ?? {}, key);
  if (found) return found;
  const helpers = (config["credHelpers"] ?? {}) as Record<string, unknown>;
  if (
    Object.keys(helpers).some((name) => covers(locationOf(name), wanted)) ||
    (key && config["credsStore"])
  ) {
    throw inputError({
      code: "docker-config-program",
      path: ["auths", registry],
      message: "is known only to a credential program, and programs are not run",
      remedy:
        "provide a file with an entry for it, such as the data of a Secret of type kubernetes.io/dockerconfigjson",
    });
  }
  if (key === undefined) return undefined;
  throw inputError({ code: "docker-config-empty", path: ["auths", key], message: "has no credentials" });
}

function parse(text: string): Record<string, unknown> {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    // Reported below: the parser's message would show a part of the file.
  }
  if (typeof config === "object" && config !== null && !Array.isArray(config)) {
    const { auths = {} } = config as { auths?: unknown };
    if (typeof auths === "object" && auths !== null) return config as Record<string, unknown>;
  }
  throw inputError({
    code: "docker-config",
    path: [],
    message: "is not a Docker config.json",
    allowed: 'JSON such as {"auths": {"registry.example.com": {"auth": "<base64 of user:password>"}}}',
  });
}

function credentialsOf(entry: Entry, key: string): Credentials | undefined {
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  const registryToken = text(entry.registrytoken);
  if (registryToken !== undefined) return { registryToken };
  const identityToken = text(entry.identitytoken);
  if (identityToken !== undefined) return { identityToken };
  const auth = text(entry.auth);
  if (auth === undefined) {
    const [username, password] = [text(entry.username), text(entry.password)];
    return username === undefined || password === undefined ? undefined : { username, password };
  }
  const decoded = Buffer.from(auth, "base64")
    .toString("utf8")
    .replace(/(?<!\0)\0+$/, "");
  const colon = decoded.indexOf(":");
  if (colon > 0) return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
  throw inputError({
    code: "docker-config-auth",
    path: ["auths", key, "auth"],
    message: "is not base64 of user:password",
  });
}

/** Returns the names of all entries, for messages. */
export function entriesIn(text: string): readonly string[] {
  const { auths = {}, credHelpers = {} } = parse(text);
  return [...Object.keys(auths as object), ...Object.keys(credHelpers as object)];
}

interface Location {
  /** In lower case, without the port 443. */
  readonly host: string;
  readonly path: string;
}

/** Returns a key's host and path: `https://index.docker.io/v1/` -> `docker.io`; `https://host:5000/path/` -> `host:5000`, `path`. */
function locationOf(key: string): Location {
  const plain = key.replace(/^https?:\/\//, "").replace(/(?<!\/)\/+$/, "");
  const [host = "", ...path] = plain.replace(/\/v[12]$/, "").split("/");
  return { host: hubName(host.toLowerCase().replace(/:443$/, "")), path: path.join("/") };
}

function hubName(host: string): string {
  return ["index.docker.io", "registry-1.docker.io"].includes(host) ? "docker.io" : host;
}

function covers(entry: Location, wanted: Location): boolean {
  const within = entry.path === "" || `${wanted.path}/`.startsWith(`${entry.path}/`);
  return entry.host !== "" && within && matchesHost(entry.host, wanted.host);
}

/** Orders entries: those without a pattern first, then the longer ones. */
function moreSpecific(a: Location, b: Location): number {
  const length = ({ host, path }: Location) => host.length + path.length;
  return Number(isPattern(a.host)) - Number(isPattern(b.host)) || length(b) - length(a);
}

const isPattern = (host: string) => /[*?[]/.test(host);

/** Compares hosts label by label, so that `*.example.com` does not cover `a.b.example.com`. The port must be the same. */
function matchesHost(pattern: string, host: string): boolean {
  // Of an IPv6 address the brackets are no pattern.
  if (!isPattern(pattern) || pattern.startsWith("[")) return pattern === host;
  const [[patterns, patternPort], [labels, port]] = [labelsOf(pattern), labelsOf(host)];
  if (patternPort !== port || patterns.length !== labels.length) return false;
  return patterns.every((one, at) => matchesLabel(one, labels[at] ?? ""));
}

/** Returns the labels of a host, and its port. */
function labelsOf(host: string): readonly [labels: readonly string[], port: string] {
  const [name = "", port = ""] = host.split(/:(?=[^:\]]*$)/);
  return [name.split("."), port];
}

/** Compares a label with a pattern. One that is invalid covers only itself. */
function matchesLabel(pattern: string, label: string): boolean {
  if (pattern === label) return true;
  try {
    return nameMatcher(pattern)(label);
  } catch {
    return false;
  }
}

function inputError(problem: Problem): InvalidInputError {
  return new InvalidInputError("Docker config", [problem]);
}
