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
