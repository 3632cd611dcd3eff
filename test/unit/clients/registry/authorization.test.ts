import * as fc from "fast-check";
import {
  RegistryClient,
  RegistryError,
  digestOf,
  type Blob,
  type RegistryOptions,
} from "../../../../clients/registry";
import { Authorizer, parseChallenges } from "../../../../clients/registry/authorization";
import { FakeRegistry, type FakeRegistryOptions } from "../../../support/registry";
import { assertProperty } from "../../../support/property";

const PASSWORD = "hunter2-is-not-a-password";
const content = Buffer.from("a blob");
const digest = digestOf(content);
const blob: Blob = { open: () => [content], size: content.length, digest };

let registry: FakeRegistry;
let client: RegistryClient;

async function start(options: FakeRegistryOptions, more: Partial<RegistryOptions>) {
  registry = await new FakeRegistry({ username: "ada", password: PASSWORD, ...options }).start();
  client = new RegistryClient({ registry: registry.host, baseDelayMs: 1, ...more });
}

async function failure(work: Promise<unknown>): Promise<RegistryError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(RegistryError);
  return error as RegistryError;
}

describe("a client", () => {
  afterEach(async () => {
    client.close();
    await registry.stop();
  });

  test.each(["basic", "bearer"] as const)(
    "%s: responds to the challenge, with one token per repository",
    async (auth) => {
      await start({ auth }, { credentials: { username: "ada", password: PASSWORD } });
      await client.pushBlob("app", blob);
      await client.pushBlob("app", blob);
      expect(registry.blobs.has(`app@${digest}`)).toBe(true);
      expect(registry.requestLines.filter((line) => line.includes("/token"))).toHaveLength(
        auth === "bearer" ? 1 : 0,
      );
    },
  );

  test("requests a token for the service and for each scope", async () => {
    await start({ auth: "bearer", mounts: true }, { credentials: { username: "ada", password: PASSWORD } });
    registry.blobs.set(`base@${digest}`, content);
    await client.mountBlob("app", digest, "base");
    const query = new URLSearchParams(
      registry.seen.find(({ path }) => path.startsWith("/token"))?.path.split("?")[1],
    );
    expect([...query]).toEqual([
      ["extra", "1"],
      ["service", "the registry"],
      ["scope", "repository:app:pull,push"],
      ["scope", "repository:base:pull"],
    ]);
  });

  test("exchanges an identity token, and sends a registry token as it is", async () => {
    await start({ auth: "bearer" }, { credentials: { identityToken: PASSWORD } });
    await client.pushBlob("app", blob);
    expect(registry.requestLines).toContain("POST /token");
    registry.tokens.add("given");
    const other = new RegistryClient({ registry: registry.host, credentials: { registryToken: "given" } });
    expect(await other.hasBlob("app", digest)).toBe(true);
    other.close();
  });

  test("renews a token that is rejected during an upload", async () => {
    await start(
      {
        auth: "bearer",
        fault: ({ method }, nth) => {
          if (method === "PUT" && nth === 1) registry.tokens.clear();
          return undefined;
        },
      },
      { credentials: { username: "ada", password: PASSWORD } },
    );
    expect(await client.pushBlob("app", blob)).toBe(true);
    expect(registry.requestLines.filter((line) => line.startsWith("POST"))).toHaveLength(1);
  });

  test("renews an expired token before the next request", async () => {
    await start({ auth: "bearer" }, { credentials: { username: "ada", password: PASSWORD } });
    registry.expiresIn = 20;
    await client.hasBlob("app", digest);
    jest.spyOn(Date, "now").mockReturnValue(Date.now() + 11_000);
    await client.hasBlob("app", digest);
    jest.restoreAllMocks();
    expect(registry.requestLines.filter((line) => line.includes("/token"))).toHaveLength(2);
    expect(registry.seen.filter(({ authorization }) => authorization === undefined)).toHaveLength(1);
  });

  const wrong = { username: "ada", password: "wrong-password" };
  test.each([
    // Without another header to try, the first rejection is final.
    { auth: "basic", credentials: undefined, tries: 1 },
    { auth: "basic", credentials: wrong, tries: 2 },
    { auth: "bearer", credentials: undefined, tries: 1 },
    { auth: "bearer", credentials: wrong, tries: 1 },
    { auth: "bearer", credentials: { registryToken: "wrong-password" }, tries: 2 },
  ] as const)(
    "$auth: the error for wrong credentials has the registry's reason, and not the credentials (%#)",
    async (given) => {
      await start({ auth: given.auth }, { credentials: given.credentials });
      const error = await failure(client.pushBlob("app", blob));
      expect(error.message).toMatch(
        /^upload of a blob at 127\.0\.0\.1:\d+\/app: 401 .*\(provide credentials for it\)$/,
      );
      expect(error.reason).toMatch(/^authentication required$|^127\.0\.0\.1:\d+ issues no token$/);
      expect(JSON.stringify([error.message, error.stack, error.cause])).not.toContain("wrong-password");
      expect(registry.requestLines.filter((line) => line.startsWith("HEAD"))).toHaveLength(given.tries);
    },
  );

  test.each([
    "http://tokens.example.com/token",
    "ftp://127.0.0.1/",
    "nowhere",
    "https://a:b@tokens.example.com/",
  ])("sends no credentials to a realm at %s", async (realm) => {
    const headers = { "www-authenticate": `Bearer realm="${realm}",service="x"` };
    await start(
      { fault: () => ({ status: 401, headers }) },
      { credentials: { username: "ada", password: PASSWORD } },
    );
    const error = await failure(client.hasBlob("app", digest));
    expect(error.status).toBe(401);
    expect(error.message).not.toContain(PASSWORD);
    expect(registry.seen).toHaveLength(1);
  });

  test("sends no credentials to the host of a redirect", async () => {
    const store = await new FakeRegistry({ fault: () => ({ status: 200 }) }).start();
    await start(
      {
        auth: "basic",
        fault: ({ method, authorization }) =>
          method === "HEAD" && authorization
            ? { status: 307, headers: { location: `http://${store.host}/signed` } }
            : undefined,
      },
      { credentials: { username: "ada", password: PASSWORD } },
    );
    expect(await client.hasBlob("app", digest)).toBe(true);
    expect(store.seen).toEqual([{ method: "HEAD", path: "/signed", authorization: undefined }]);
    await store.stop();
  });
});

test.each([
  [
    'Bearer realm="https://a/b?c=d,e",service="x \\"y\\"" , scope="repository:a:pull,push"',
    [
      {
        scheme: "bearer",
        parameters: { realm: "https://a/b?c=d,e", service: 'x "y"', scope: "repository:a:pull,push" },
      },
    ],
  ],
  [
    'Basic realm="r", Bearer realm="https://a",service=plain',
    [
      { scheme: "basic", parameters: { realm: "r" } },
      { scheme: "bearer", parameters: { realm: "https://a", service: "plain" } },
    ],
  ],
  [
    "Negotiate, Basic realm=x",
    [
      { scheme: "negotiate", parameters: {} },
      { scheme: "basic", parameters: { realm: "x" } },
    ],
  ],
  ["", []],
  ['"', []],
])("parses the challenge %s", (header, expected) => {
  expect(parseChallenges(header)).toEqual(expected);
});

test("parses any header", () => {
  assertProperty(
    fc.property(fc.string(), (header) => expect(parseChallenges(header).length).toBeGreaterThanOrEqual(0)),
  );
});

describe("a token service", () => {
  const challenge = (realm: string) => `Bearer realm="${realm}",service="registry.example.com"`;
  async function challenged(realm: string, answer: object = { token: "abc" }) {
    const urls: string[] = [];
    const credentials = { username: "ada", password: PASSWORD };
    const authorizer = new Authorizer(
      credentials,
      new URL("https://registry.example.com"),
      async ({ url }) => {
        urls.push(url.href);
        return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(answer)) };
      },
    );
    const header = await authorizer
      .challenged(challenge(realm), "repository:a:pull")
      .catch((error: Error) => error);
    return { urls, header };
  }

  test("gets the credentials at its own host only, whatever its path begins with", async () => {
    const { urls } = await challenged("https://auth.example.com//other.example.com/token?a=b");
    expect(urls).toEqual([
      "https://auth.example.com//other.example.com/token?a=b&service=registry.example.com&scope=repository%3Aa%3Apull",
    ]);
  });

  test.each(["https://ada@auth.example.com/", "https://:p@auth.example.com/", "http://auth.example.com/"])(
    "%s gets no credentials",
    async (realm) => {
      const { urls, header } = await challenged(realm);
      expect(urls).toEqual([]);
      expect(header).toMatchObject({ name: "AuthorizationError" });
    },
  );

  test.each(["a\r\nx: y", "a\0", "a b", "\u0100", ""])(
    "token %j cannot be in a header and is no token",
    async (token) => {
      const { header } = await challenged("https://auth.example.com/", { token });
      expect(header).toMatchObject({
        name: "AuthorizationError",
        message: expect.stringContaining("no token"),
      });
    },
  );
});
