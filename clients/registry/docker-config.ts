import { InvalidInputError, type Problem } from "../../config/schema";

/** How this side says who it is. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  /** Exchanged for a token, as `docker login` keeps it for some registries. */
  | { readonly identityToken: string }
  /** Sent as it is. */
  | { readonly registryToken: string };

interface Entry {
  readonly auth?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly identitytoken?: unknown;
  readonly registrytoken?: unknown;
}

/**
 * Credentials for a repository from a Docker `config.json`, given as text: the entry of `auths` that covers it best. Keys may be
 * hosts, hosts with a path (as Kubernetes allows) or URLs. Programs named by `credsStore` and `credHelpers` are not run.
 *
 * @returns undefined where no entry covers the repository: it is then asked without credentials
 * @throws InvalidInputError if the text is no such file, the entry has no credentials in it, or only a program has them. What is
 *   in the file is not shown.
 */
export function credentialsFor(text: string, registry: string, repository: string): Credentials | undefined {
  const config = parse(text);
  const auths = (config["auths"] ?? {}) as Record<string, Entry>;
  const wanted = `${hubName(registry)}/${repository}`;
  const [key] = Object.keys(auths)
    .filter((name) => covers(place(name), wanted))
    .toSorted((a, b) => place(b).length - place(a).length);
  const found = key === undefined ? undefined : credentialsOf(auths[key] ?? {}, key);
  if (found) return found;
  const helpers = (config["credHelpers"] ?? {}) as Record<string, unknown>;
  if (Object.keys(helpers).some((name) => covers(place(name), wanted)) || (key && config["credsStore"])) {
    throw refusal({
      code: "docker-config-program",
      path: ["auths", registry],
      message: "is known only to a credential program, and programs are not run",
      remedy:
        "give a file with an entry for it, such as the data of a Secret of type kubernetes.io/dockerconfigjson",
    });
  }
  if (key === undefined) return undefined;
  throw refusal({ code: "docker-config-empty", path: ["auths", key], message: "holds no credentials" });
}

function parse(text: string): Record<string, unknown> {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    // The parser's words would show a part of the file.
  }
  if (typeof config === "object" && config !== null && !Array.isArray(config)) {
    const { auths = {} } = config as { auths?: unknown };
    if (typeof auths === "object" && auths !== null) return config as Record<string, unknown>;
  }
  throw refusal({
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
  const decoded = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
  const colon = decoded.indexOf(":");
  if (colon > 0) return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
  throw refusal({
    code: "docker-config-auth",
    path: ["auths", key, "auth"],
    message: "is not base64 of user:password",
  });
}

/** `https://index.docker.io/v1/` -> `docker.io`; `https://host:5000/path/` -> `host:5000/path`. */
function place(key: string): string {
  const plain = key.replace(/^https?:\/\//, "").replace(/\/+$/, "");
  const [host = "", ...path] = plain.replace(/\/v[12]$/, "").split("/");
  return [hubName(host), ...path].join("/");
}

function hubName(host: string): string {
  return ["index.docker.io", "registry-1.docker.io"].includes(host) ? "docker.io" : host;
}

function covers(entry: string, wanted: string): boolean {
  return entry !== "" && (wanted === entry || wanted.startsWith(`${entry}/`));
}

function refusal(problem: Problem): InvalidInputError {
  return new InvalidInputError("Docker config", [problem]);
}
