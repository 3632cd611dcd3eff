import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PlatformClient, PlatformError, type PlatformOperation } from "../../../../clients/cedana/platform";
import { cut, cutShort, endless, respondWith, silent, type Behaviour } from "../../../support/manager-server";
import { PlatformServer, policyId, TOKEN } from "../../../support/platform-server";

const POLICY = {
  clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
  namespace: "team-a",
  heartbeat: 15,
  root: "/run/containerd/runc/k8s.io",
};
const directory = mkdtempSync(join(tmpdir(), "platform-"));
const tokenFile = join(directory, "token");

let server: PlatformServer;
const observed: [PlatformOperation, string | undefined][] = [];
beforeAll(async () => {
  server = await PlatformServer.start();
});
afterAll(() => server.stop());
beforeEach(() => {
  server.policies.clear();
  server.requests.length = 0;
  server.next.length = 0;
  observed.length = 0;
  writeFileSync(tokenFile, `${TOKEN}\n`);
});

const client = (options: Partial<ConstructorParameters<typeof PlatformClient>[0]> = {}) =>
  new PlatformClient({
    url: `${server.url}/v1`,
    tokenFile,
    timeoutMs: 2000,
    observe: (operation, error) => void observed.push([operation, error?.outcome]),
    ...options,
  });

async function errorOf(work: Promise<unknown>): Promise<PlatformError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PlatformError);
  return error as PlatformError;
}

test("creates, lists, updates and deletes a policy, by the documented paths and fields", async () => {
  const platform = client();
  const id = await platform.create(POLICY);
  expect(await platform.list()).toEqual([
    {
      id,
      status: "active",
      type: "heartbeat",
      heartbeat: 15,
      resource: "namespace",
      resources: ["team-a"],
      pods: 2,
    },
  ]);
  expect(await platform.update(id, { ...POLICY, heartbeat: 30 })).toBe(id);
  expect((await platform.list())[0]?.heartbeat).toBe(30);
  await platform.delete(id);
  expect(await platform.list()).toEqual([]);
  const body = {
    cluster_id: POLICY.clusterId,
    policy_type: "heartbeat",
    heartbeat_time: 15,
    resource: "namespace",
    resource_name: "team-a",
    resource_ids: [],
    runc_root: POLICY.root,
  };
  const list = { method: "GET", path: "/v2/policy/list", query: {}, body: undefined };
  expect(server.requests).toEqual([
    { method: "POST", path: "/v2/policy/create", query: {}, body },
    list,
    { method: "POST", path: "/v2/policy/update", query: {}, body: { ...body, id, heartbeat_time: 30 } },
    list,
    { method: "DELETE", path: "/v2/policy/delete", query: {}, body: { id } },
    list,
  ]);
  expect(new Set(observed.map(([, outcome]) => outcome))).toEqual(new Set([undefined]));
});

test("removes the quotes of an id", async () => {
  server.next.push(respondWith(200, `"${policyId(1)}"`));
  expect(await client().create(POLICY)).toBe(policyId(1));
});

test("the token is read for each request", async () => {
  const platform = client();
  writeFileSync(tokenFile, "old");
  expect(await errorOf(platform.list())).toMatchObject({ status: 401, message: "HTTP 401: Invalid API key" });
  writeFileSync(tokenFile, TOKEN);
  expect(await platform.list()).toEqual([]);
});

test.each([
  ["a missing file", "missing", /cannot be read from .*missing: ENOENT; check the Secret/],
  ["an empty file", "", /is empty, or has spaces or control characters; check the Secret/],
  ["two lines", "a\nb", /has spaces or control characters/],
])("%s sends nothing", async (_, content, message) => {
  writeFileSync(tokenFile, content);
  const file = content === "missing" ? join(directory, "missing") : tokenFile;
  const error = await errorOf(client({ tokenFile: file }).list());
  expect(error).toMatchObject({ outcome: "refused", status: undefined, isRejection: false });
  expect(error.message).toMatch(message);
  expect(server.requests).toEqual([]);
});

test.each<[string, Behaviour, object]>([
  [
    "400",
    respondWith(400, '{"message":"Invalid request body","code":"400"}'),
    { outcome: "refused", status: 400, isRejection: true, message: "HTTP 400: Invalid request body" },
  ],
  [
    "401",
    respondWith(401, '{"message":"Invalid API key"}'),
    { outcome: "refused", status: 401, isRejection: false },
  ],
  [
    "429",
    respondWith(429, "slow down", { "retry-after": "120" }),
    { outcome: "refused", isRejection: false, retryAfterMs: 120_000, message: "HTTP 429: slow down" },
  ],
  [
    "500",
    respondWith(500, '{"message":"Failed to create policy in policy table"}'),
    { outcome: "failed", isRejection: false },
  ],
  [
    "503 of a proxy",
    respondWith(503, "", { "retry-after": "3" }),
    { outcome: "unknown", retryAfterMs: 3000, message: "HTTP 503" },
  ],
  [
    "a redirect",
    respondWith(302, "", { location: "https://other.example.com/" }),
    {
      outcome: "refused",
      message: "HTTP 302: redirected to https://other.example.com/, which is not followed",
    },
  ],
  ["a cut connection", cut, { outcome: "unknown", status: undefined }],
  ["an incomplete response", cutShort, { outcome: "unknown" }],
  ["no response", silent, { outcome: "unknown", message: "no response within 0.2 s" }],
  ["an endless response", endless, { outcome: "unknown" }],
  [
    "no id",
    respondWith(200, '{"message":"ok"}'),
    { outcome: "unknown", message: 'the response has no id: {"message":"ok"}' },
  ],
])("create: %s", async (_, behaviour, expected) => {
  server.next.push(behaviour);
  const error = await errorOf(client({ timeoutMs: 200 }).create(POLICY));
  expect(error).toMatchObject({ operation: "create", ...expected });
  expect(server.requests).toHaveLength(1);
  expect(observed).toEqual([["create", error.outcome]]);
});

test.each([
  ["an object", '{"policies":[],"next":null}', "the response is not a list of policies: "],
  ["a policy without an id", '[{"name":"nightly"}]', "the response has a policy without an id: "],
  ["text", "hello", "the response is not a list of policies: hello"],
])("list: %s is no list", async (_, body, message) => {
  server.next.push(respondWith(200, body));
  const error = await errorOf(client().list());
  expect(error.outcome).toBe("unknown");
  expect(error.message).toContain(message);
});

test("lists the known fields of a policy of another form", async () => {
  server.next.push(respondWith(200, JSON.stringify([{ id: policyId(7), name: "nightly", pipeline: {} }])));
  expect(await client().list()).toEqual([{ id: policyId(7), resources: [] }]);
});

test("sends nothing after the end time", async () => {
  const error = await errorOf(client().create(POLICY, { endMs: performance.now() - 1 }));
  expect(error).toMatchObject({ outcome: "refused", message: "the request was not sent in time" });
  expect(server.requests).toEqual([]);
});

test.each(["http://platform.example.com", "ftp://localhost"])(
  "%s would send the token in plain text",
  (url) => {
    expect(() => client({ url })).toThrow("the URL of the platform must begin with https://");
  },
);

test("no error contains the token", async () => {
  server.next.push(respondWith(400, JSON.stringify({ message: `wrong header Bearer ${TOKEN}` })));
  const error = await errorOf(client().list());
  expect(error.message).toBe("HTTP 400: wrong header Bearer ***");
  server.next.push(respondWith(200, `<html>Bearer ${TOKEN}`));
  expect((await errorOf(client().list())).message).toBe(
    "the response is not a list of policies: <html>Bearer ***",
  );
});
