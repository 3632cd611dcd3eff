import { createServer, type AddressInfo } from "node:net";
import { Agent, request } from "node:https";
import { rootCertificates } from "node:tls";
import {
  after,
  bundleOf,
  CertificateRotator,
  issue,
  LIFETIME_MS,
  nextStep,
  WEBHOOK_CONFIGURATION,
  SETTLE_MS,
  validityOf,
  CERTIFICATE_SECRET,
  InvalidReviewError,
  WebhookServer,
  type AdmissionRequest,
  type CertificateSecret,
  type Held,
  type Pair,
  type WebhookConfiguration,
} from "../../../../kube/webhook";
import { createLogger, Store, type Json } from "../../../../kube";
import { clientOn } from "../../../support/controller-runtime";
import { FakeApi } from "../../../../testbed/fake-api";

const NAMES = ["cedana-restore.cedana-system.svc", "cedana-restore.cedana-system.svc.cluster.local"];
const DAY = 86_400_000;
const NOW = Date.now();
const log = createLogger({ level: "error", destination: { write: () => {} } });

let pair: Pair;
let other: Pair;
beforeAll(async () => {
  [pair, other] = await Promise.all([issue(NAMES, NOW, "test-ca"), issue(NAMES, NOW + 61 * DAY, "test-ca")]);
});

describe("plan", () => {
  const step = (held: Held, more: { bundle?: string; names?: string[]; now?: number } = {}) =>
    nextStep(held, more.bundle ?? "", more.names ?? NAMES, more.now ?? NOW);

  test("issues a certificate at once if it is missing, invalid, expired or for another Service", () => {
    expect(step({})).toEqual({ do: "issue" });
    expect(step({ current: { ...pair, key: other.key } })).toEqual({ do: "issue" });
    expect(step({ current: { ...pair, ca: other.ca } })).toEqual({ do: "issue" });
    expect(step({ current: { ...pair, cert: "no" } })).toEqual({ do: "issue" });
    expect(step({ current: pair }, { now: NOW + LIFETIME_MS })).toEqual({ do: "issue" });
    expect(step({ current: pair }, { names: ["another.svc"] })).toEqual({ do: "issue" });
  });

  test("replaces at once what is not valid yet: the clock of its issuer was ahead", () => {
    // A certificate is backdated by 5 minutes.
    expect(step({ current: other })).toEqual({ do: "issue" });
    expect(step({ current: other }, { now: NOW + 61 * DAY - 290_000 })).toMatchObject({ do: "wait" });
    // A prepared one that is not valid yet is replaced as well.
    const bundle = pair.ca + other.ca;
    const held = { current: pair, next: other };
    expect(step(held, { bundle })).toEqual({ do: "wait", ms: expect.any(Number) });
    expect(step(held, { bundle, now: NOW + 60.1 * DAY })).toEqual({ do: "prepare" });
  });

  test("waits for no longer than two thirds of the validity of a certificate that another program issued", async () => {
    const short = await issue(NAMES, NOW, "test-ca", 6 * 3_600_000);
    expect(step({ current: short })).toEqual({ do: "wait", ms: expect.any(Number) });
    const { ms } = step({ current: short }) as { ms: number };
    expect(Math.abs(ms - 4 * 3_600_000)).toBeLessThan(2000);
    expect(step({ current: short }, { now: NOW + 4.1 * 3_600_000 })).toEqual({ do: "prepare" });
  });

  test("prepares the next certificate after two thirds of the lifetime, and serves it once its CA is trusted", () => {
    const held = { current: pair };
    expect(step(held)).toEqual({ do: "wait", ms: expect.any(Number) });
    expect(step(held, { now: NOW + 59 * DAY })).toMatchObject({ do: "wait" });
    expect(step(held, { now: NOW + 60.1 * DAY })).toEqual({ do: "prepare" });
    const prepared = after("prepare", held, other);
    const now = NOW + 61 * DAY;
    expect(bundleOf(prepared, now)).toBe(pair.ca + other.ca);
    expect(step(prepared, { now, bundle: bundleOf(prepared, now) })).toMatchObject({ do: "wait" });
    const settled = now + SETTLE_MS + 1000;
    expect(step(prepared, { now: settled, bundle: pair.ca })).toMatchObject({ do: "wait" });
    expect(step(prepared, { now: settled, bundle: bundleOf(prepared, now) })).toEqual({ do: "promote" });
    const promoted = after("promote", prepared, undefined);
    expect(promoted).toEqual({ current: other, previousCa: pair.ca });
    // A replica may serve the old one a moment longer, so its CA stays in the bundle until it expires.
    expect(bundleOf(promoted, now)).toBe(other.ca + pair.ca);
    expect(bundleOf(promoted, NOW + LIFETIME_MS + 1)).toBe(other.ca);
  });

  test("never serves a certificate whose CA is not in the bundle", () => {
    let held: Held = {};
    let bundle = "";
    for (let now = NOW; now < NOW + 61 * DAY; now += DAY / 2) {
      const next = nextStep(held, bundle, NAMES, now);
      if (next.do !== "wait") held = after(next.do, held, held.current ? other : pair);
      bundle = bundleOf(held, now);
      expect(bundle).toContain(held.current?.ca);
    }
    expect(held.next).toBeDefined();
  });
});

test("issues a key, certificate and CA that match, for the names and the lifetime", () => {
  const { issuedMs, expiresMs } = validityOf(pair, NAMES) ?? { issuedMs: 0, expiresMs: 0 };
  expect(Math.abs(issuedMs - NOW)).toBeLessThan(1000);
  expect(Math.abs(expiresMs - NOW - LIFETIME_MS)).toBeLessThan(1000);
  expect(pair.ca).not.toBe(other.ca);
});

describe("rotator", () => {
  const SECRETS = "/api/v1/namespaces/cedana-system/secrets";
  const CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
  const api = new FakeApi();
  const secrets = new Store<CertificateSecret>();
  const configurations = new Store<WebhookConfiguration>();
  const rotator = new CertificateRotator({
    settings: {
      namespace: "cedana-system",
      secret: "s",
      configuration: "w",
      dnsNames: NAMES,
      authorityName: "test-ca",
    },
    client: clientOn(api),
    secrets,
    configurations,
    log,
  });
  /** Writes changes to the stores as the watches do. */
  const follow = () => {
    const secret = api.get(`${SECRETS}/s`);
    if (secret) secrets.set(CERTIFICATE_SECRET.project(secret as unknown as Json));
    const configuration = api.get(`${CONFIGURATIONS}/w`);
    if (configuration) configurations.set(WEBHOOK_CONFIGURATION.project(configuration as unknown as Json));
  };
  const bundles = () => (configurations.get("w")?.webhooks ?? []).map((webhook) => webhook.bundle);

  test("creates the Secret, and restores the trust of the API server whenever another client removes it", async () => {
    const webhooks = [{ name: "restore.cedana.ai", clientConfig: {} }];
    api.put(CONFIGURATIONS, { metadata: { name: "w" }, webhooks } as never);
    follow();
    await rotator.reconcile();
    // Reconciled again, by the change of the configuration, before the watch delivers the created Secret.
    const written = api.writes.length;
    expect(await rotator.reconcile()).toEqual({ requeueAfterMs: 10_000 });
    expect(api.writes).toHaveLength(written);
    follow();
    const held: Held = secrets.get("cedana-system/s")?.held ?? {};
    expect(held.current && validityOf(held.current, NAMES)).toBeDefined();
    expect(bundles()).toEqual([held.current?.ca]);
    const writes = api.writes.length;
    expect(await rotator.reconcile()).toEqual({ requeueAfterMs: 3_600_000 });
    expect(api.writes).toHaveLength(writes);

    api.edit(`${CONFIGURATIONS}/w`, (object) => {
      (object as unknown as { webhooks: object[] }).webhooks = webhooks;
    });
    follow();
    await rotator.reconcile();
    follow();
    expect(bundles()).toEqual([held.current?.ca]);
  });

  test("does not overwrite a Secret that another leader wrote meanwhile", async () => {
    api.edit(`${SECRETS}/s`, (object) => {
      (object as unknown as { data: object }).data = {};
    });
    follow();
    api.edit(`${SECRETS}/s`, (object) => {
      object.metadata.labels = { a: "b" };
    });
    await expect(rotator.reconcile()).rejects.toMatchObject({ status: 422 });
  });
});

const REVIEW = {
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: {
    uid: "u-1",
    userInfo: { username: "dev", groups: ["system:authenticated"] },
    namespace: "team-a",
    operation: "CREATE",
    resource: { group: "", version: "v1", resource: "pods" },
    object: { metadata: { name: "web-0" } },
    dryRun: true,
  },
};

describe("server", () => {
  let server: WebhookServer;
  let port: number;
  const reviewed: AdmissionRequest[] = [];
  let failure = false;

  beforeAll(async () => {
    port = await free();
    server = new WebhookServer({
      port,
      log,
      handlers: {
        "/restore": (request) => {
          if (request.operation !== "CREATE") throw new InvalidReviewError("only CREATE");
          reviewed.push(request);
          if (failure) return Promise.reject(new Error("down"));
          return Promise.resolve({
            allowed: true,
            patch: [{ op: "add", path: "/a", value: 1 }],
            warnings: ["w"],
          });
        },
        "/other": async ({ resource }) => ({ allowed: false, message: `no ${resource}`, code: 403 }),
      },
    });
    await server.start();
  });
  afterAll(() => server.close());

  const review = (more: object = {}) => ({ ...REVIEW, request: { ...REVIEW.request, ...more } });
  const call = (body: string, { path = "/restore?timeout=5s", ca = pair.ca, method = "POST" } = {}) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const options = {
        port,
        path,
        method,
        ca: [...rootCertificates, ca],
        servername: NAMES[0],
        agent: false as const,
      };
      const sent = request(options, (response) => {
        let text = "";
        response.on("data", (chunk) => (text += String(chunk)));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      });
      sent.on("error", reject);
      sent.end(body);
    });

  test("is not ready and rejects connections before it has a certificate", async () => {
    expect(server.check.failure()).toBe("the webhook has no certificate yet");
    await expect(call("{}")).rejects.toThrow(/handshake|hang up|ECONNRESET|disconnected/);
    server.use({ cert: "no", key: "no" });
    expect(server.check.failure()).toMatch(/^the certificate cannot be loaded/);
    server.use(pair);
    expect(server.check.failure()).toBeUndefined();
  });

  test("responds to the API server by the handler of the path", async () => {
    const { status, text } = await call(JSON.stringify(review()));
    expect(status).toBe(200);
    const { response } = JSON.parse(text) as { response: { patch: string } };
    expect(response).toEqual({
      uid: "u-1",
      allowed: true,
      patchType: "JSONPatch",
      patch: expect.any(String),
      warnings: ["w"],
    });
    expect(JSON.parse(Buffer.from(response.patch, "base64").toString())).toEqual([
      { op: "add", path: "/a", value: 1 },
    ]);
    expect(reviewed.at(-1)).toEqual({
      uid: "u-1",
      user: "dev",
      namespace: "team-a",
      resource: "pods",
      operation: "CREATE",
      object: { metadata: { name: "web-0" } },
      dryRun: true,
    });
    const other = await call(JSON.stringify(review({ operation: "UPDATE" })), { path: "/other" });
    expect(JSON.parse(other.text)).toMatchObject({
      response: { uid: "u-1", allowed: false, status: { code: 403, message: "no pods" } },
    });
  });

  test.each([
    ["no JSON", "{", 400],
    ["another version", JSON.stringify({ ...review(), apiVersion: "admission.k8s.io/v1beta1" }), 400],
    ["an object that the handler rejects", JSON.stringify(review({ operation: "UPDATE" })), 400],
    ["a review without object", JSON.stringify(review({ object: undefined })), 400],
    ["too many values", `[${"{},".repeat(200_000)}{}]`, 413],
    ["too much", " ".repeat(5 * 1024 * 1024), 413],
  ])("rejects %s", async (_, body, expected) => {
    const before = reviewed.length;
    expect((await call(body)).status).toBe(expected);
    expect(reviewed).toHaveLength(before);
  });

  test("serves no other path or method, and reports when a handler cannot decide", async () => {
    expect((await call("", { path: "/" })).status).toBe(404);
    expect((await call("", { method: "GET" })).status).toBe(405);
    failure = true;
    expect(await call(JSON.stringify(review()))).toEqual({
      status: 503,
      text: "no decision could be made",
    });
    failure = false;
  });

  test("serves a new certificate to the next connection", async () => {
    const now = await issue(NAMES, NOW, "test-ca");
    server.use(now);
    await expect(call(JSON.stringify(review()))).rejects.toThrow(/certificate/);
    expect((await call(JSON.stringify(review()), { ca: now.ca })).status).toBe(200);
    server.use({ cert: "no", key: "no" });
    expect((await call(JSON.stringify(review()), { ca: now.ca })).status).toBe(200);
    expect(server.check.failure()).toBeUndefined();
  });
});

test("a server that stops is not ready, but serves on, and then finishes what is in progress", async () => {
  const port = await free();
  const held: (() => void)[] = [];
  const handlers = {
    "/restore": async () => {
      await new Promise<void>((resolve) => held.push(resolve));
      return { allowed: true, patch: [], warnings: [] } as const;
    },
  };
  const server = new WebhookServer({ port, log, handlers, drainMs: 0 });
  await server.start();
  server.use(pair);
  const agent = new Agent({ keepAlive: true, ca: pair.ca, servername: NAMES[0] });
  const call = () =>
    new Promise<{ status?: number; connection?: string }>((resolve, reject) => {
      const sent = request({ port, path: "/restore", method: "POST", agent }, (response) => {
        response.resume();
        response.on("end", () =>
          resolve({ status: response.statusCode, connection: response.headers.connection }),
        );
      });
      sent.on("error", reject);
      sent.end(JSON.stringify(REVIEW));
    });
  const isHeld = async (count: number) => {
    while (held.length < count) await new Promise((resolve) => setImmediate(resolve));
  };

  const before = call();
  await isHeld(1);
  await server.drain();
  expect(server.check.failure()).toBe("the process is stopping");
  const during = call();
  await isHeld(2);
  const closed = server.close();
  await expect(call()).rejects.toThrow(/ECONNREFUSED/);
  for (const release of held) release();
  expect(await Promise.all([before, during])).toEqual([
    { status: 200, connection: "close" },
    { status: 200, connection: "close" },
  ]);
  await closed;
  agent.destroy();
});

function free(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
