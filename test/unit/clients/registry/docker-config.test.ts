import { credentialsFor } from "../../../../clients/registry";

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
])("returns the credentials for %s/%s", (registry, repository, expected) => {
  expect(credentialsFor(config, registry, repository)).toEqual(expected);
});

const globs = JSON.stringify({
  auths: {
    "*.dkr.ecr.*.amazonaws.com": auth("any:p"),
    "123.dkr.ecr.eu-west-1.amazonaws.com": auth("one:p"),
    "https://*.Example.com/v1/": auth("star:p"),
    "*.example.com/team": auth("team:p"),
    "Upper.test:443": auth("upper:p"),
    "r[0-9].regions.test": auth("class:p"),
    "reg-?.regions.test": auth("mark:p"),
    "*.ports.test:5000": auth("port:p"),
    "(.bad.test": auth("bad:p"),
  },
});
const named = (username: string) => ({ username, password: "p" });

test.each([
  ["456.dkr.ecr.us-east-1.amazonaws.com", "app", named("any")],
  ["123.dkr.ecr.eu-west-1.amazonaws.com", "app", named("one")],
  ["registry.example.com", "app", named("star")],
  ["registry.example.com", "team/app", named("team")],
  ["registry.example.com", "teams/app", named("star")],
  ["a.registry.example.com", "app", undefined],
  ["example.com", "app", undefined],
  ["upper.test", "app", named("upper")],
  ["UPPER.test:443", "app", named("upper")],
  ["upper.test:8443", "app", undefined],
  ["r7.regions.test", "app", named("class")],
  ["rx.regions.test", "app", undefined],
  ["reg-a.regions.test", "app", named("mark")],
  ["reg-ab.regions.test", "app", undefined],
  ["a.ports.test:5000", "app", named("port")],
  ["a.ports.test", "app", undefined],
  ["a.bad.test", "app", undefined],
])("reads patterns as Kubernetes does: %s/%s", (registry, repository, expected) => {
  expect(credentialsFor(globs, registry, repository)).toEqual(expected);
});

test.each([
  [config, "123.dkr.ecr.eu-west-1.amazonaws.com", "programs are not run"],
  [config, "stored.example.com", "programs are not run"],
  [config, "bad.example.com", "is not base64 of user:password"],
  ['{"auths":{"a.example.com":{}}}', "a.example.com", "has no credentials"],
  ['{"auths": "c2VjcmV0', "a.example.com", "is not a Docker config.json"],
  ["[]", "a.example.com", "is not a Docker config.json"],
])("rejects what it cannot use, without showing the file (%#)", (text, registry, why) => {
  const read = () => credentialsFor(text, registry, "app");
  expect(read).toThrow(why);
  expect(read).not.toThrow(/c2VjcmV0|bm9jb2xvbg|nocolon/);
});
