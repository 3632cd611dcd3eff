import { parseChallenges, type Challenge } from "./challenge";
import type { Credentials } from "./docker-config";
import type { Answer } from "./exchange";
import { isLoopback } from "./reference";

interface Token {
  readonly header: string;
  /** By this process' clock; tokens are renewed a little before. */
  readonly until: number;
}

/** Sends one request without any authorization of its own. */
export type Ask = (call: {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly form?: string;
}) => Promise<Answer>;

/** No token could be had; `status` is that of the realm's answer, else 401. */
export class AuthorizationError extends Error {
  constructor(
    message: string,
    readonly status = 401,
  ) {
    super(message);
  }
}

/** How long a token lives if the answer does not say (distribution's token specification). */
const DEFAULT_LIFE_S = 60;

/** Answers the challenges of one registry: Basic, or Bearer with a token from the realm that the registry names. */
export class Authorizer {
  private readonly tokens = new Map<string, Token>();
  private readonly challenges = new Map<string, Challenge>();

  constructor(
    private readonly credentials: Credentials | undefined,
    private readonly origin: URL,
    private readonly ask: Ask,
  ) {}

  /** The Authorization header for a scope, as far as the registry has told what it wants. */
  async header(scope: string): Promise<string | undefined> {
    const token = this.tokens.get(scope);
    if (token && Date.now() < token.until) return token.header;
    const challenge = this.challenges.get(scope);
    return challenge ? this.answer(challenge, scope) : undefined;
  }

  /**
   * Takes in the challenge of a 401.
   *
   * @returns the header to try now; undefined if there is none or the one that was refused was it
   * @throws AuthorizationError if the realm cannot be asked or gives no token
   */
  async challenged(wwwAuthenticate: string, scope: string, refused?: string): Promise<string | undefined> {
    const challenges = parseChallenges(wwwAuthenticate);
    const basic = this.credentials && "username" in this.credentials ? "basic" : undefined;
    const challenge =
      challenges.find(({ scheme }) => scheme === "bearer") ??
      challenges.find(({ scheme }) => scheme === basic);
    if (!challenge) return undefined;
    this.tokens.delete(scope);
    const header = await this.answer(challenge, scope);
    this.challenges.set(scope, challenge);
    return header === refused ? undefined : header;
  }

  private async answer(challenge: Challenge, scope: string): Promise<string | undefined> {
    const { credentials } = this;
    if (challenge.scheme === "basic") return credentials && basicHeader(credentials);
    if (credentials && "registryToken" in credentials) return `Bearer ${credentials.registryToken}`;
    const { token, lifeS } = await this.fetchToken(challenge, scope);
    const header = `Bearer ${token}`;
    this.tokens.set(scope, { header, until: Date.now() + Math.max(lifeS - 10, 5) * 1000 });
    return header;
  }

  private async fetchToken({ parameters }: Challenge, scope: string) {
    const realm = this.realm(parameters["realm"] ?? "");
    const query = new URLSearchParams(realm.search);
    if (parameters["service"] !== undefined) query.set("service", parameters["service"]);
    // One parameter for each: what is wanted here, which is at least what the registry asked for.
    query.delete("scope");
    for (const part of scope.split(" ")) query.append("scope", part);
    const { credentials } = this;
    const answer =
      credentials && "identityToken" in credentials
        ? await this.exchangeIdentity(realm, query, credentials.identityToken)
        : await this.ask({
            method: "GET",
            url: new URL(`${realm.pathname}?${query.toString()}`, realm),
            headers: authorization(credentials),
          });
    if (answer.status !== 200) throw new AuthorizationError(`${realm.host} gives no token`, answer.status);
    return tokenIn(answer.body, realm.host);
  }

  private exchangeIdentity(realm: URL, query: URLSearchParams, identityToken: string): Promise<Answer> {
    const scope = query.getAll("scope").join(" ");
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: identityToken,
      client_id: "cedana-cdk",
      service: query.get("service") ?? "",
      scope,
    });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return this.ask({ method: "POST", url: realm, headers, form: form.toString() });
  }

  /** Credentials go to the realm, so it must be as safe as the registry. */
  private realm(text: string): URL {
    if (!URL.canParse(text))
      throw new AuthorizationError("asks for a token, but names no realm to get it from");
    const realm = new URL(text);
    const plain = realm.protocol === "http:" && isLoopback(realm) && isLoopback(this.origin);
    if ((realm.protocol !== "https:" && !plain) || realm.username !== "")
      throw new AuthorizationError(`names ${realm.protocol}//${realm.host} for tokens; only https is asked`);
    return realm;
  }
}

function basicHeader(credentials: Credentials): string | undefined {
  if (!("username" in credentials)) return undefined;
  const { username, password } = credentials;
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function authorization(credentials: Credentials | undefined): Record<string, string> {
  const header = credentials && basicHeader(credentials);
  return header === undefined ? {} : { authorization: header };
}

function tokenIn(body: Buffer, host: string): { readonly token: string; readonly lifeS: number } {
  try {
    const answer = JSON.parse(body.toString("utf8")) as Record<string, unknown>;
    const token = answer["token"] ?? answer["access_token"];
    const lifeS = Number(answer["expires_in"] ?? DEFAULT_LIFE_S);
    if (typeof token === "string" && token !== "" && !/[\r\n]/.test(token)) {
      return { token, lifeS: Number.isFinite(lifeS) ? lifeS : DEFAULT_LIFE_S };
    }
  } catch {
    // Said below; the body may hold a token.
  }
  throw new AuthorizationError(`${host} gives no token: its answer holds none`);
}
