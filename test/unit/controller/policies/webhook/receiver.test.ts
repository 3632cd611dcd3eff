/** Requests of the trigger `webhook`, from the HTTP exchange to the Checkpoints: two replicas on one API server. */
import { randomBytes } from "node:crypto";
import { policyControllers } from "../../../../../controller/policies";
import { policyWebhook } from "../../../../../controller/policies/webhook";
import { keysOf, sign } from "../../../../../controller/policies/webhook/signature";
import { Metrics, type PlainRequest, type PlainResponse } from "../../../../../kube";
import { FakeApi, type Stored } from "../../../../../testbed/fake-api";
import { lead, runtimeOn } from "../../../../support/controller-runtime";
import { MEMORY } from "../cluster";

const GROUP = "/apis/automation.cedana.ai/v1alpha1";
const IN_A = `${GROUP}/namespaces/team-a`;
const POLICIES = `${IN_A}/checkpointpolicies`;
const SECRET = `whsec_${randomBytes(32).toString("base64")}`;
const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
const put = (path: string, object: object) => api.put(path, object as Parameters<FakeApi["put"]>[1]);

/** A replica of the controller. */
interface Replica {
  receive(request: PlainRequest): Promise<PlainResponse>;
  readonly metrics: Metrics;
  readonly lines: object[];
  readonly stop: () => void;
}

let api: FakeApi;
let replicas: Replica[];

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T12:00:00Z") });
  api = new FakeApi();
  replicas = [];
  put("/api/v1/namespaces", { metadata: { name: "team-a" } });
  secret("team-a", { deploy: SECRET });
});
afterEach(async () => {
  for (const { stop } of replicas) stop();
  await seconds(0);
  jest.useRealTimers();
});

function secret(namespace: string, values: Record<string, string>, name = "hooks"): void {
  const data = Object.entries(values).map(([key, text]) => [key, Buffer.from(text).toString("base64")]);
  put(`/api/v1/namespaces/${namespace}/secrets`, {
    metadata: { name, namespace },
    data: Object.fromEntries(data) as object,
  });
}

/** Starts a replica. @param leads whether it also decides */
async function replica(leads: boolean): Promise<Replica> {
  const stop = new AbortController();
  const [lines, metrics]: [object[], Metrics] = [[], new Metrics()];
  const runtime = runtimeOn(api, { lines, metrics });
  let receive: Replica["receive"] | undefined;
  policyWebhook({
    ...runtime,
    settings: { port: 0, secrets: ["hooks"] },
    namespace: "cedana-system",
    namespaces: "all",
    serve: ({ plain }) => {
      receive = plain?.handle;
      return undefined as never;
    },
  });
  const controllers = policyControllers({
    ...runtime,
    settings: { maxInFlight: 50, memory: MEMORY },
    checkpoints: { namespaces: "all", maxPerNode: 10 },
  });
  void lead(runtime, leads ? controllers : [], stop.signal);
  await seconds(1);
  if (!receive) throw new Error("no server");
  const started = { receive, metrics, lines, stop: () => stop.abort() };
  replicas.push(started);
  return started;
}

function policy(spec: object = {}, name = "deploy"): Stored {
  return put(POLICIES, {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "CheckpointPolicy",
    metadata: { name, namespace: "team-a", generation: 1 },
    spec: {
      suspend: false,
      trigger: { webhook: { secret: { name: "hooks" }, minIntervalSeconds: 10 } },
      action: { checkpoint: {} },
      minSpacingSeconds: 0,
      deadlineSeconds: 600,
      maxInFlight: 10,
      ...spec,
    },
  });
}

function pod(name: string): Stored {
  return put("/api/v1/namespaces/team-a/pods", {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "team-a" },
    spec: { nodeName: "n1", containers: [{ name: "main", image: "app" }] },
    status: { phase: "Running" },
  });
}

interface Sent {
  readonly id?: string;
  readonly path?: string;
  readonly key?: string;
  readonly body?: string;
  readonly ageSeconds?: number;
}

/** Returns a request that is signed now. */
function signed({ id = "msg_1", path, key = SECRET, body = "{}", ageSeconds = 0 }: Sent = {}): PlainRequest {
  const timestamp = Math.floor(Date.now() / 1000) - ageSeconds;
  return {
    path: path ?? "/checkpointpolicies/team-a/deploy",
    headers: {
      "webhook-id": id,
      "webhook-timestamp": `${timestamp}`,
      "webhook-signature": sign(keysOf(key)[0] ?? Buffer.alloc(0), id, timestamp, body),
    },
    body,
  };
}

async function checkpoints(): Promise<string[]> {
  const { items } = (await api.send("GET", `${IN_A}/checkpoints`)) as { items: Stored[] };
  return items.map(({ metadata }) => metadata.name).toSorted();
}

const total = async (result: string) => {
  const texts = await Promise.all(replicas.map(({ metrics }) => metrics.registry.metrics()));
  const counts = texts.map((text) =>
    Number(new RegExp(`policy_webhook_requests_total{result="${result}"} (\\d+)`).exec(text)?.[1]),
  );
  return counts.reduce((sum, count) => sum + count, 0);
};

test("a signed request creates a Checkpoint of each pod that matches, also if another replica received it", async () => {
  policy();
  pod("web-0");
  pod("web-1");
  const [leader, other] = [await replica(true), await replica(false)];
  await seconds(5);
  expect(await checkpoints()).toEqual([]);
  expect(await other.receive(signed())).toEqual({
    status: 202,
    text: "accepted: the pods that match are due",
  });
  await seconds(1);
  const created = await checkpoints();
  expect(created.map((name) => name.slice(0, 5))).toEqual(["web-0", "web-1"]);
  expect(api.get(`${POLICIES}/deploy`)?.["status"]).toMatchObject({
    firings: [{ id: "msg_1", time: "2026-11-27T12:00:07.000Z" }],
  });
  // The leader's status keeps it.
  await seconds(30);
  expect(api.get(`${POLICIES}/deploy`)?.["status"]).toMatchObject({
    matchedPods: 2,
    firings: [{ id: "msg_1" }],
  });
  expect(await total("accepted")).toBe(1);
  const writes = api.writes.filter(({ path }) => path.includes("checkpointpolicies"));
  expect(writes.length).toBeLessThan(6);
  leader.stop();
});

test("a copy of a request is accepted once: by each replica, at the same time, after a restart and by a new leader", async () => {
  policy();
  pod("web-0");
  const [leader, other] = [await replica(true), await replica(false)];
  const request = signed();
  const results = await Promise.all([leader, other, leader, other].map((one) => one.receive(request)));
  expect(results.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 200, 202]);
  await seconds(2);
  expect(await checkpoints()).toHaveLength(1);
  leader.stop();
  other.stop();
  await seconds(20);
  const next = await replica(true);
  expect(await next.receive(request)).toMatchObject({ status: 200 });
  // A sender that got no response signs again, with the same id.
  expect(await next.receive(signed())).toMatchObject({ status: 200 });
  await seconds(60);
  expect(await checkpoints()).toHaveLength(1);
  await seconds(300);
  expect(await next.receive(request)).toMatchObject({ status: 401 });
  expect(await total("duplicate")).toBe(5);
  expect(await total("outdated")).toBe(1);
});

test("the status keeps the ids of all requests whose copies are still timely", async () => {
  policy();
  const one = await replica(false);
  const oldest = signed({ id: "first", ageSeconds: -60 });
  expect(await one.receive(oldest)).toMatchObject({ status: 202 });
  for (let count = 1; count < 36; count++) {
    await seconds(10);
    expect(await one.receive(signed({ id: `id-${count}` }))).toMatchObject({ status: 202 });
  }
  expect(await one.receive(oldest)).toMatchObject({ status: 200 });
  await seconds(11);
  expect(await one.receive(oldest)).toMatchObject({ status: 401 });
});

test("the request is executed if the replica ends right after it was stored, before the leader has seen it", async () => {
  policy();
  pod("web-0");
  const receiver = await replica(false);
  await receiver.receive(signed());
  receiver.stop();
  await seconds(120);
  await replica(true);
  await seconds(2);
  expect(await checkpoints()).toHaveLength(1);
});

test("a request whose response was lost is not executed twice", async () => {
  policy();
  pod("web-0");
  const one = await replica(true);
  let lost = 0;
  api.after = ({ method, path }) => {
    if (method === "PATCH" && path.endsWith("/status") && lost++ === 0) throw new Error("socket hang up");
  };
  expect(await one.receive(signed())).toMatchObject({ status: 503, retryAfterSeconds: 30 });
  api.after = undefined;
  expect(await one.receive(signed())).toMatchObject({ status: 200 });
  await seconds(5);
  expect(await checkpoints()).toHaveLength(1);
});

test("accepts at most one request in minIntervalSeconds, over all replicas", async () => {
  policy();
  const [one, other] = [await replica(false), await replica(false)];
  expect(await one.receive(signed({ id: "a" }))).toMatchObject({ status: 202 });
  await seconds(4);
  expect(await other.receive(signed({ id: "b" }))).toEqual({
    status: 429,
    text: "less than minIntervalSeconds since the last request; try again in 6 s",
    retryAfterSeconds: 6,
  });
  await seconds(6);
  expect(await other.receive(signed({ id: "b" }))).toMatchObject({ status: 202 });
  expect(await total("too-early")).toBe(1);
});

test.each<[string, Sent, number]>([
  ["another key", { key: `whsec_${randomBytes(32).toString("base64")}` }, 401],
  ["another policy", { path: "/checkpointpolicies/team-a/other" }, 401],
  ["a policy without the trigger", { path: "/checkpointpolicies/team-a/nightly" }, 401],
  ["another namespace", { path: "/checkpointpolicies/team-b/deploy" }, 401],
  ["a cluster-scoped policy of this name", { path: "/clustercheckpointpolicies/deploy" }, 401],
  ["a path of no policy", { path: "/checkpointpolicies/team-a/../team-a/deploy" }, 401],
  ["an old timestamp", { ageSeconds: 301 }, 401],
  ["a timestamp of the future", { ageSeconds: -61 }, 401],
  ["an id that cannot be stored", { id: "a b" }, 400],
])("refuses a request with %s", async (_, sent, status) => {
  policy();
  policy({ trigger: { heartbeat: { intervalSeconds: 600 } } }, "nightly");
  pod("web-0");
  const one = await replica(true);
  const before = api.writes.length;
  expect((await one.receive(signed(sent))).status).toBe(status);
  expect((await one.receive({ ...signed(), body: "{ }" })).status).toBe(401);
  expect(api.writes.slice(before).filter(({ path }) => path.includes("/deploy/status"))).toEqual([]);
  await seconds(2);
  expect(await checkpoints()).toEqual([]);
});

test.each<[string, () => void, string]>([
  ["does not exist", () => api.remove("/api/v1/namespaces/team-a/secrets/hooks"), "does not exist"],
  ["has no key of the policy's name", () => secret("team-a", { other: SECRET }), "has no key deploy"],
  ["has a weak key", () => secret("team-a", { deploy: "whsec_c2hvcnQ=" }), "key deploy: key 1 is not whsec_"],
])("is unavailable while the Secret %s, and reads it again after 30 s", async (_, break_, message) => {
  break_();
  policy();
  const one = await replica(false);
  for (let count = 0; count < 20; count++)
    expect(await one.receive(signed())).toMatchObject({ status: 503, retryAfterSeconds: 30 });
  const reads = () => api.log.filter(({ path }) => path.includes("/secrets/")).length;
  expect(reads()).toBe(1);
  expect(JSON.stringify(one.lines)).toContain(message);
  secret("team-a", { deploy: SECRET });
  await seconds(31);
  expect(await one.receive(signed())).toMatchObject({ status: 202 });
  expect(reads()).toBe(2);
  expect(await total("unavailable")).toBe(20);
});

test("never reads a Secret that the install does not list", async () => {
  secret("team-a", { deploy: SECRET }, "database");
  policy({ trigger: { webhook: { secret: { name: "database" }, minIntervalSeconds: 10 } } });
  const one = await replica(false);
  expect(await one.receive(signed())).toMatchObject({ status: 503 });
  expect(api.log.filter(({ path }) => path.includes("/secrets"))).toEqual([]);
  expect(JSON.stringify(one.lines)).toContain("install.policies.webhook.secrets does not list database");
});

test("a key can be replaced: both are valid while the Secret has both", async () => {
  const next = `whsec_${randomBytes(32).toString("base64")}`;
  secret("team-a", { deploy: `${next}\n${SECRET}` });
  policy();
  const one = await replica(false);
  expect(await one.receive(signed({ id: "a" }))).toMatchObject({ status: 202 });
  await seconds(10);
  expect(await one.receive(signed({ id: "b", key: next }))).toMatchObject({ status: 202 });
});

test("a cluster-scoped policy uses a Secret of the controller's namespace", async () => {
  secret("cedana-system", { all: SECRET });
  put(`${GROUP}/clustercheckpointpolicies`, {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "ClusterCheckpointPolicy",
    metadata: { name: "all", generation: 1 },
    spec: {
      trigger: { webhook: { secret: { name: "hooks" }, minIntervalSeconds: 10 } },
      filter: { namespaceSelector: {} },
      action: { checkpoint: {} },
      deadlineSeconds: 600,
    },
  });
  pod("web-0");
  const one = await replica(true);
  expect(await one.receive(signed({ path: "/clustercheckpointpolicies/all" }))).toMatchObject({
    status: 202,
  });
  await seconds(2);
  expect(await checkpoints()).toHaveLength(1);
});

test("a suspended policy accepts no request, and says so only to a signed one", async () => {
  policy({ suspend: true });
  const one = await replica(false);
  expect(await one.receive(signed())).toEqual({
    status: 409,
    text: "the policy is suspended: spec.suspend is true",
  });
  expect((await one.receive({ ...signed(), body: "x" })).status).toBe(401);
});

test("no log line has a key or a signature", async () => {
  policy();
  const one = await replica(true);
  const request = signed();
  await one.receive(request);
  await one.receive({ ...request, body: "x" });
  const text = JSON.stringify(one.lines);
  expect(text).toContain("webhook accepted");
  for (const value of [SECRET.slice(6), request.headers["webhook-signature"]?.slice(3) ?? ""])
    expect(text).not.toContain(value);
});
