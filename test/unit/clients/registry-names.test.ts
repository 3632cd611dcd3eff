import * as fc from "fast-check";
import { credentialsFor, formatReference, originOf, parseReference } from "../../../clients/registry";
import { parseChallenges } from "../../../clients/registry/challenge";

const DIGEST = `sha256:${"0f".repeat(32)}`;

describe("references", () => {
  test.each([
    ["localhost:5000/app:1", { registry: "localhost:5000", repository: "app", tag: "1" }],
    ["localhost/app", { registry: "localhost", repository: "app" }],
    ["[::1]:5000/a/b", { registry: "[::1]:5000", repository: "a/b" }],
    [
      `1.dkr.ecr.eu-central-1.amazonaws.com/a.b/c_d--e:v1.2@${DIGEST}`,
      {
        registry: "1.dkr.ecr.eu-central-1.amazonaws.com",
        repository: "a.b/c_d--e",
        tag: "v1.2",
        digest: DIGEST,
      },
    ],
  ])("%s", (text, expected) => {
    expect(parseReference(text)).toEqual(expected);
    expect(formatReference(parseReference(text))).toBe(text);
  });

  test.each([
    ["app:1", "names no registry"],
    ["team/app:1", "names no registry"],
    ["https://registry.example.com/app", "names no registry"],
    ["host.example.com:99999/app", "names no registry"],
    ["user:secret@host/app", "names no registry"],
    ["host.example.com/App", "repository"],
    ["host.example.com/a//b", "repository"],
    ["host.example.com/../b", "repository"],
    ["host.example.com/app:", "tag"],
    ["host.example.com/app:a b", "tag"],
    ["host.example.com/app@sha256:12", "digest"],
    [`host.example.com/app@${DIGEST}@${DIGEST}`, "digest"],
    ["host.example.com/", "repository"],
    [`host.example.com/${"a".repeat(300)}`, "repository"],
    ["", "names no registry"],
  ])("%s is refused", (text, why) => {
    expect(() => parseReference(text)).toThrow(why);
  });

  test("whatever is read is written the same, and asked at its own host only", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.stringMatching(/^[a-z0-9.:[\]-]{1,20}\/[a-z0-9/._-]{1,20}(:\w{1,5})?$/),
        (a, b) => {
          for (const text of [a, b]) {
            let reference;
            try {
              reference = parseReference(text);
            } catch {
              continue;
            }
            expect(formatReference(reference)).toBe(text);
            expect(originOf(reference.registry).pathname).toBe("/");
          }
        },
      ),
    );
  });

  test.each([
    ["localhost:5000", "http://localhost:5000/"],
    ["127.0.0.1:5000", "http://127.0.0.1:5000/"],
    ["127.9.9.9", "http://127.9.9.9/"],
    ["[::1]:5000", "http://[::1]:5000/"],
    ["localhost.example.com", "https://localhost.example.com/"],
    ["10.0.0.1:5000", "https://10.0.0.1:5000/"],
    ["127.0.0.1.example.com", "https://127.0.0.1.example.com/"],
    ["registry.example.com:80", "https://registry.example.com:80/"],
    ["docker.io", "https://registry-1.docker.io/"],
  ])("%s is asked at %s", (registry, origin) => {
    expect(originOf(registry).href).toBe(origin);
  });
});

describe("Docker config", () => {
  const auth = (text: string) => ({ auth: Buffer.from(text).toString("base64") });
  const config = JSON.stringify({
    auths: {
      "registry.example.com": auth("ada:pass:word"),
      "registry.example.com/team": { username: "bob", password: "p" },
      "https://index.docker.io/v1/": auth("hub:p"),
      "localhost:5000": { identitytoken: "refresh", auth: "" },
      "tokens.example.com": { registrytoken: "bearer" },
      "stored.example.com": {},
      "bad.example.com": { auth: "bm9jb2xvbg==" },
    },
    credHelpers: { "123.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login" },
    credsStore: "desktop",
  });

  test.each([
    ["registry.example.com", "app", { username: "ada", password: "pass:word" }],
    ["registry.example.com", "team/app", { username: "bob", password: "p" }],
    ["registry.example.com", "teams/app", { username: "ada", password: "pass:word" }],
    ["docker.io", "library/app", { username: "hub", password: "p" }],
    ["localhost:5000", "app", { identityToken: "refresh" }],
    ["tokens.example.com", "app", { registryToken: "bearer" }],
    ["registry.example.com:5000", "app", undefined],
    ["example.com", "app", undefined],
  ])("%s/%s", (registry, repository, expected) => {
    expect(credentialsFor(config, registry, repository)).toEqual(expected);
  });

  test.each([
    [config, "123.dkr.ecr.eu-west-1.amazonaws.com", "programs are not run"],
    [config, "stored.example.com", "programs are not run"],
    [config, "bad.example.com", "is not base64 of user:password"],
    ['{"auths":{"a.example.com":{}}}', "a.example.com", "holds no credentials"],
    ['{"auths": "c2VjcmV0', "a.example.com", "is not a Docker config.json"],
    ["[]", "a.example.com", "is not a Docker config.json"],
  ])("what cannot be used is said, and what is in it is not (%#)", (text, registry, why) => {
    const read = () => credentialsFor(text, registry, "app");
    expect(read).toThrow(why);
    expect(read).not.toThrow(/c2VjcmV0|bm9jb2xvbg|nocolon/);
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
])("challenge %s", (header, expected) => {
  expect(parseChallenges(header)).toEqual(expected);
});

test("any challenge ends", () => {
  fc.assert(
    fc.property(fc.string(), (header) => expect(parseChallenges(header).length).toBeGreaterThanOrEqual(0)),
  );
});
