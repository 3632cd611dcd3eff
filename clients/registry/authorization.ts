import type { HttpResponse } from "../../http";
import type { Credentials } from "./docker-config";
import { isLoopback } from "./reference";

/** One challenge of a `WWW-Authenticate` header: how a registry requires a request to be authorized. */
export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names in lower case: `realm`, `service`, `scope`, `error`. */
  readonly parameters: Readonly<Record<string, string>>;
}

interface Token {
  readonly header: string;
  /** Expiry by this process's clock, a few seconds early. */
  readonly untilMs: number;
}

/** Sends one request without the transport's Authorization header. */
export type SendTokenRequest = (request: {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}) => Promise<HttpResponse>;

/** Reports that no token was issued. `status` is that of the realm's response, else 401. */
export class AuthorizationError extends Error {
  override readonly name = "AuthorizationError";

  constructor(
    message: string,
    readonly status = 401,
  ) {
    super(message);
  }
}

/** Lifetime of a token without `expires_in` (distribution's token specification). */
const DEFAULT_LIFETIME_S = 60;

/** Authorizes requests to one registry: Basic, or Bearer with a token from the realm that the registry names. */
export class Authorizer {
  private readonly tokens = new Map<string, Token>();
  private readonly challenges = new Map<string, Challenge>();

  constructor(
    private readonly credentials: Credentials | undefined,
    private readonly origin: URL,
    private readonly send: SendTokenRequest,
  ) {}

  /** Returns the Authorization header for a scope; undefined before the registry's first challenge. */
  async header(scope: string): Promise<string | undefined> {
    const token = this.tokens.get(scope);
    if (token && Date.now() < token.untilMs) return token.header;
    const challenge = this.challenges.get(scope);
    return challenge ? this.authorize(challenge, scope) : undefined;
  }

  /**
   * Handles the challenge of a 401.
   *
   * @returns the header for the next attempt; undefined if there is none or it is the rejected one
   * @throws AuthorizationError if the realm is not allowed or issues no token
   */
  async challenged(wwwAuthenticate: string, scope: string, rejected?: string): Promise<string | undefined> {
    const challenges = parseChallenges(wwwAuthenticate);
    const basic = this.credentials && "username" in this.credentials ? "basic" : undefined;
    const challenge =
      challenges.find(({ scheme }) => scheme === "bearer") ??
      challenges.find(({ scheme }) => scheme === basic);
    if (!challenge) return undefined;
    this.tokens.delete(scope);
    const header = await this.authorize(challenge, scope);
    this.challenges.set(scope, challenge);
    return header === rejected ? undefined : header;
  }

  private async authorize(challenge: Challenge, scope: string): Promise<string | undefined> {
    const { credentials } = this;
    if (challenge.scheme === "basic") return credentials && basicHeader(credentials);
    if (credentials && "registryToken" in credentials) return `Bearer ${credentials.registryToken}`;
    const { token, lifetimeS } = await this.fetchToken(challenge, scope);
    const header = `Bearer ${token}`;
    this.tokens.set(scope, { header, untilMs: Date.now() + Math.max(lifetimeS - 10, 5) * 1000 });
    return header;
  }

  private async fetchToken({ parameters }: Challenge, scope: string) {
    const realm = this.realm(parameters["realm"] ?? "");
    const query = new URLSearchParams(realm.search);
    if (parameters["service"] !== undefined) query.set("service", parameters["service"]);
    // One parameter for each scope of the request, which include those of the challenge.
    query.delete("scope");
    for (const part of scope.split(" ")) query.append("scope", part);
    const { credentials } = this;
    const response =
      credentials && "identityToken" in credentials
        ? await this.exchangeIdentity(realm, query, credentials.identityToken)
        : await this.send({
            method: "GET",
            url: withQuery(realm, query),
            headers: basicAuthorization(credentials),
          });
    const { status, body } = response;
    if (status !== 200) throw new AuthorizationError(`${realm.host} issues no token`, status);
    return tokenIn(body.toString("utf8"), realm.host);
  }

  private exchangeIdentity(realm: URL, query: URLSearchParams, identityToken: string): Promise<HttpResponse> {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: identityToken,
      client_id: "cedana-cdk",
      service: query.get("service") ?? "",
      scope: query.getAll("scope").join(" "),
    });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return this.send({ method: "POST", url: realm, headers, body: form.toString() });
  }

  /** Returns the realm's URL. It gets the credentials, so it must be as safe as the registry. */
  private realm(text: string): URL {
    if (!URL.canParse(text)) throw new AuthorizationError("the challenge has no realm for tokens");
    const realm = new URL(text);
    const plain = realm.protocol === "http:" && isLoopback(realm) && isLoopback(this.origin);
    if ((realm.protocol !== "https:" && !plain) || realm.username !== "" || realm.password !== "")
      throw new AuthorizationError(`the token realm ${realm.protocol}//${realm.host} is not https`);
    return realm;
  }
}

const SCHEME = /\s*([A-Za-z][\w-]*)(?=[\s,]|$)/y;
const PARAMETER = /\s*([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)?/y;

/** Returns all challenges of the header, in order (RFC 9110, 11.6.1), up to the first that cannot be parsed. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  for (;;) {
    SCHEME.lastIndex = at;
    const scheme = SCHEME.exec(header);
    if (!scheme) return challenges;
    at = SCHEME.lastIndex;
    const parameters: Record<string, string> = {};
    for (;;) {
      PARAMETER.lastIndex = at;
      const found = PARAMETER.exec(header);
      if (!found) break;
      at = PARAMETER.lastIndex;
      parameters[found[1]!.toLowerCase()] = found[2]?.replaceAll(/\\(.)/g, "$1") ?? found[3] ?? "";
    }
    challenges.push({ scheme: scheme[1]!.toLowerCase(), parameters });
    while (/[\s,]/.test(header[at] ?? "")) at++;
  }
}

function basicHeader(credentials: Credentials): string | undefined {
  if (!("username" in credentials)) return undefined;
  const { username, password } = credentials;
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function basicAuthorization(credentials: Credentials | undefined): Record<string, string> {
  const header = credentials && basicHeader(credentials);
  return header === undefined ? {} : { authorization: header };
}

/** Returns the URL with another query. Not by resolving a path: one that starts with two slashes would name another host. */
function withQuery(url: URL, query: URLSearchParams): URL {
  const changed = new URL(url);
  changed.search = query.toString();
  return changed;
}

/** Printable ASCII, as a header can carry it (RFC 6750, 2.1, is stricter). */
const TOKEN = /^[\x21-\x7e]+$/;

function tokenIn(text: string, host: string): { readonly token: string; readonly lifetimeS: number } {
  try {
    const response = JSON.parse(text) as Record<string, unknown>;
    const token = response["token"] ?? response["access_token"];
    const lifetimeS = Number(response["expires_in"] ?? DEFAULT_LIFETIME_S);
    if (typeof token === "string" && TOKEN.test(token))
      return { token, lifetimeS: Number.isFinite(lifetimeS) ? lifetimeS : DEFAULT_LIFETIME_S };
  } catch {
    // Reported below, without the text: it may hold a token.
  }
  throw new AuthorizationError(`the response of ${host} has no token`);
}
