/** Readers of what registries, their token services and Docker's configuration send. */
import * as fc from "fast-check";
import { InvalidInputError } from "../../../config/schema";
import { formatReference, originOf, parseReference } from "../../../clients/registry";
import { AuthorizationError, Authorizer, parseChallenges } from "../../../clients/registry/authorization";
import { credentialsFor } from "../../../clients/registry/docker-config";
import { ecrCredentials } from "../../../clients/registry/ecr";
import { RegistryError, responseError } from "../../../clients/registry/errors";
import { isLoopback } from "../../../clients/registry/reference";
import { Transport } from "../../../clients/registry/transport";
import type { HttpResponse } from "../../../http";
import { jsonTexts, mutatedText, pumped } from "../generate";
import { attempt, attemptAsync, must, target } from "../target";

const DIGEST = `sha256:${"0a".repeat(32)}`;
const REFERENCES = [
  `registry.example.com/team/app:1@${DIGEST}`,
  "localhost:5000/checkpoints:latest",
  "[::1]:5000/a",
  "123456789012.dkr.ecr.eu-west-1.amazonaws.com/checkpoints",
  `docker.io/library/nginx@${DIGEST}`,
];

const references = target({
  name: "oci-reference",
  reads: "references of images: settings of the agents, statuses that agents write",
  inputs: fc.oneof(
    {
      arbitrary: mutatedText(REFERENCES, ["@", ":", "/", "//", "..", "[", "]", "--", "__", ".", DIGEST]),
      weight: 9,
    },
    { arbitrary: pumped(["a", "a-", "a.", "-", "/a", "a/", "[", ":", "_", "."]), weight: 1 },
  ),
  runs: 20_000,
  check(text) {
    const { value } = attempt(() => parseReference(text), InvalidInputError);
    if (value === undefined) return;
    must(formatReference(value) === text, `parsed and formatted: ${formatReference(value)}`);
    must(`${value.registry}/${value.repository}`.length <= 255, "the name is too long");
    must(!/[^\x21-\x7e]/.test(text), "accepted characters that are not printable ASCII");
    const origin = originOf(value.registry);
    must(origin.protocol === "https:" || isLoopback(origin), `plain HTTP to ${origin.host}`);
    must(
      origin.username === "" && origin.pathname === "/",
      `the registry is more than a host: ${origin.href}`,
    );
    // The reference is put into paths of the API.
    const url = new URL(`/v2/${value.repository}/manifests/${value.tag ?? value.digest ?? "x"}`, origin);
    must(url.pathname.startsWith(`/v2/${value.repository}/manifests/`), `the path is ${url.pathname}`);
  },
});

const CHALLENGES = [
  'Bearer realm="https://auth.example.com/token",service="registry.example.com",scope="repository:a:pull"',
  'Basic realm="x", Bearer realm="https://auth.example.com/token?a=b"',
  'Bearer realm="http://localhost:5001/token",error="invalid_token"',
  'bearer REALM=https://auth.example.com/t , service="a\\"b"',
];
const TOKENS = [
  { token: "abc", expires_in: 300 },
  { access_token: "abc", expires_in: "60", issued_at: "2026-01-01T00:00:00Z" },
];
const response = (status: number, body: string, headers: HttpResponse["headers"] = {}): HttpResponse => ({
  status,
  headers,
  body: Buffer.from(body),
});

const challenges = target({
  name: "registry-challenge",
  reads: "www-authenticate of registries, and answers of token services",
  inputs: fc.record({
    header: fc.oneof(
      {
        arbitrary: mutatedText(CHALLENGES, [
          '"',
          "\\",
          "=",
          ",",
          "realm=",
          "Bearer ",
          "https://u:p@h/",
          "//h",
          "https://:p@h/",
        ]),
        weight: 9,
      },
      { arbitrary: pumped(['a="', "a=,", "a ", '\\"', " ", ","], 16_384), weight: 1 },
    ),
    answer: jsonTexts(TOKENS, ["token", "access_token", "expires_in"]),
    status: fc.constantFrom(200, 200, 200, 401, 500, 302),
    origin: fc.constantFrom("https://registry.example.com", "http://localhost:5000"),
  }),
  runs: 4_000,
  async check({ header, answer, status, origin }) {
    for (const { scheme, parameters } of parseChallenges(header)) {
      must(scheme === scheme.toLowerCase() && scheme !== "", "a scheme in upper case");
      must(Object.getPrototypeOf(parameters) === Object.prototype, "parameters with another prototype");
    }
    const sent: URL[] = [];
    const credentials = { username: "user", password: "secret-password" };
    const authorizer = new Authorizer(credentials, new URL(origin), async ({ url }) => {
      sent.push(url);
      return response(status, answer);
    });
    const result = await attemptAsync(
      () => authorizer.challenged(header, "repository:a:pull"),
      AuthorizationError,
    );
    for (const url of sent) {
      const isSafe = url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url));
      must(isSafe, `credentials are sent to ${url.protocol}//${url.host}`);
      must(url.username === "" && url.password === "", "the realm's own credentials are used");
      must(url.searchParams.getAll("scope").join() === "repository:a:pull", `the scope is ${url.search}`);
    }
    const { value, error } = result;
    if (error) must(!error.message.includes(credentials.password), "the error has the password");
    if (value !== undefined)
      must(/^(Basic|Bearer) [^\r\n\0]+$/.test(value), `not a header: ${JSON.stringify(value)}`);
  },
});

const LOCATIONS = [
  "https://registry.example.com/v2/a/blobs/uploads/1?state=x",
  "/v2/a/blobs/uploads/1",
  "//other.example.com/x",
  "http://localhost:5000/x",
  "https://user:password@other.example.com/x",
];
const ERRORS = [
  { errors: [{ code: "DENIED", message: "no access", detail: {} }] },
  { errors: [] },
  { error: "x" },
];

const answers = target({
  name: "registry-answer",
  reads: "Location, Retry-After and error bodies of registries",
  inputs: fc.record({
    location: mutatedText(LOCATIONS, ["http://", "@", "\\", "//", "javascript:", ":0", "#"]),
    body: fc.oneof(
      { arbitrary: jsonTexts(ERRORS, ["errors", "code", "message"]), weight: 12 },
      {
        arbitrary: pumped(
          ["-eyJ", "eyJ-", "sk-", "-----BEGIN ", "://a:", "<", " ", "\n", '"', "xoxb-"],
          262_144,
        ),
        weight: 1,
      },
    ),
    retryAfter: fc.oneof(
      fc.constantFrom("1", "-1", "99999999999999999999", "Fri, 27 Nov 2026 10:00:00 GMT", "x", "1e3", ""),
      fc.string(),
    ),
    status: fc.integer({ min: 200, max: 599 }),
    registry: fc.constantFrom("registry.example.com", "localhost:5000"),
  }),
  runs: 3_000,
  check({ location, body, retryAfter, status, registry }) {
    const received = response(status, body, { "retry-after": retryAfter, location });
    const error = responseError("upload of a blob", "registry.example.com/a", received);
    must(error.reason.length <= 300 && error.message.length <= 1_000, "the message is too long");
    must(!/[\r\n]/.test(error.message), "the message is more than a line");
    const { retryAfterMs } = error;
    must(
      retryAfterMs === undefined || (Number.isFinite(retryAfterMs) && retryAfterMs >= 0),
      `wait ${retryAfterMs} ms`,
    );
    const transport = new Transport({ registry });
    const { value } = attempt(
      () => transport.location("upload", "a", received, transport.origin),
      RegistryError,
    );
    transport.close();
    if (value === undefined) return;
    const isSafe = value.protocol === "https:" || (registry === "localhost:5000" && isLoopback(value));
    must(isSafe, `followed to ${value.protocol}//${value.host}`);
    must(value.username === "" && value.password === "", "followed with the credentials of the location");
  },
});

const PASSWORD = "Pa55word-of-the-file";
const CONFIGS = [
  { auths: { "registry.example.com": { auth: Buffer.from(`user:${PASSWORD}`).toString("base64") } } },
  {
    auths: { "https://registry.example.com/v1/": { username: "user", password: PASSWORD } },
    credsStore: "ecr",
  },
  { auths: { "registry.example.com/team": { identitytoken: PASSWORD }, "registry.example.com": {} } },
  {
    auths: { "registry.example.com": { registrytoken: PASSWORD } },
    credHelpers: { "registry.example.com": "ecr" },
  },
  {
    credHelpers: { "registry.example.com": "ecr" },
    HttpHeaders: {},
    auths: { "*.example.com": { auth: "dXNlcjo=" } },
  },
];
const CONFIG_WORDS = [
  "auths",
  "auth",
  "username",
  "password",
  "identitytoken",
  "registrytoken",
  "credsStore",
  "credHelpers",
  "registry.example.com",
];

const dockerConfig = target({
  name: "docker-config",
  reads: "config.json of pull secrets",
  inputs: fc.oneof(
    { arbitrary: jsonTexts(CONFIGS, CONFIG_WORDS), weight: 30 },
    {
      arbitrary: pumped(["/", "https://", "*.", "a.", "/v1"], 65_536).map((key) =>
        JSON.stringify({ auths: { [key]: { auth: "dTpw" } } }),
      ),
      weight: 1,
    },
  ),
  runs: 8_000,
  check(text) {
    const { value, error } = attempt(
      () => credentialsFor(text, "registry.example.com", "team/app"),
      InvalidInputError,
    );
    if (error) must(!error.message.includes(PASSWORD), "the error has the password");
    if (value === undefined) return;
    const kinds = ["username", "identityToken", "registryToken"].filter((key) => Object.hasOwn(value, key));
    must(kinds.length === 1, `credentials of ${kinds.length} kinds`);
    must(
      Object.values(value).every((one) => typeof one === "string"),
      "credentials that are not text",
    );
  },
});

const AWS = [
  {
    AccessKeyId: "AKIAEXAMPLE",
    SecretAccessKey: "secret-of-aws",
    Token: "t",
    Expiration: "2026-01-01T00:00:00Z",
  },
  { authorizationData: [{ authorizationToken: Buffer.from(`AWS:${PASSWORD}`).toString("base64") }] },
  { __type: "AccessDeniedException", message: "not allowed" },
];

const ecr = target({
  name: "ecr-answer",
  reads: "answers of EKS Pod Identity and ECR",
  inputs: fc.record({
    first: jsonTexts(AWS, ["AccessKeyId", "SecretAccessKey", "authorizationData", "authorizationToken"]),
    second: jsonTexts(AWS, ["authorizationData", "authorizationToken"]),
    status: fc.constantFrom(200, 200, 400, 500),
    uri: mutatedText(
      ["http://169.254.170.23/v1/credentials", "https://x.example.com/", "http://localhost/a"],
      ["http://", "@"],
    ),
  }),
  runs: 2_000,
  async check({ first, second, status, uri }) {
    const answered = [first, second];
    const hosts: URL[] = [];
    const identity = { uri, token: "token-of-the-pod" };
    const fetch = async ({ url }: { readonly url: URL }) => {
      hosts.push(url);
      return { status: hosts.length === 1 ? 200 : status, text: answered[hosts.length - 1] ?? "" };
    };
    const registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    const { value, error } = await attemptAsync(
      () => ecrCredentials(registry, identity, fetch, new Date(0)),
      Error,
    );
    const [agent] = hosts;
    const nodes = ["169.254.170.23", "[fd00:ec2::23]", "169.254.170.2", "localhost", "127.0.0.1", "[::1]"];
    if (agent?.protocol === "http:")
      must(nodes.includes(agent.hostname), `the token is sent to ${agent.host}`);
    if (error)
      must(
        !error.message.includes("token-of-the-pod") && !error.message.includes("secret-of-aws"),
        "the error has a secret",
      );
    if (value)
      must("username" in value && value.username !== "" && value.password !== "", "empty credentials");
  },
});

export const REGISTRY_TARGETS = [references, challenges, answers, dockerConfig, ecr];
