/**
 * The webhook of the built controller (`npm run build`) under anonymous clients, with real sockets: memory, honest admissions and
 * the readiness gate. Prints the times; those of a loaded machine prove nothing.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sign } from "../../../../controller/policies/webhook/signature";
import { ControllerProcess } from "../../../../testbed/cluster/process";
import { ApiServer, kubeconfigOf } from "../../../../testbed/fake-api-server";
import {
  makeReady,
  NODES,
  nodeName,
  putNode,
  putOthers,
  settings,
} from "../../../../testbed/simulated-install";
import { podJson } from "../../controller/restore/support";

const CONNECTIONS = 200;
/** Limit of the container in the default install (config/install/schema.ts). */
const MEMORY_MIB = 512;

/** Name of the Service of the trigger `webhook`. */
const POLICIES_NAME = "cedana-policies.cedana-system.svc";
const KEY = randomBytes(32);

const folder = mkdtempSync(join(tmpdir(), "cedana-hostile-"));
const server = new ApiServer();
let controller: ControllerProcess;
let ports: Readonly<Record<string, number>>;
let ca: string;
let clients: ChildProcess | undefined;
let next = 0;

beforeAll(async () => {
  const { api } = server;
  const address = await server.start();
  putOthers(api, 0, 100);
  putNode(api, 0);
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, kubeconfigOf(address));
  const given = settings();
  if (!given.restore) throw new Error("the settings have no restore");
  api.put("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", {
    metadata: { name: given.restore.configuration },
    webhooks: [{ name: "restore.cedana.ai", clientConfig: {} }],
  } as never);
  api.put("/api/v1/namespaces/shop/secrets", {
    metadata: { name: "hooks", namespace: "shop" },
    data: { deploy: Buffer.from(`whsec_${KEY.toString("base64")}`).toString("base64") },
  } as never);
  api.put("/apis/automation.cedana.ai/v1alpha1/namespaces/shop/checkpointpolicies", {
    metadata: { name: "deploy", namespace: "shop", generation: 1 },
    spec: {
      trigger: { webhook: { secret: { name: "hooks" }, minIntervalSeconds: 10 } },
      action: { checkpoint: {} },
    },
  } as never);
  controller = new ControllerProcess({
    kubeconfig,
    settings: {
      ...given,
      log: { level: "info" },
      restore: {
        ...given.restore,
        certificates: "own",
        dnsNames: [...given.restore.dnsNames, POLICIES_NAME],
      },
      policies: {
        maxInFlight: 50,
        memory: { namespace: "cedana-system", readings: "agent" },
        webhook: { port: 0, secrets: ["hooks"] },
      },
    },
    replica: "hostile",
    folder,
  });
  await until("the controller is Ready", async () => {
    ports = listening();
    if (!ports["health"] || !ports["webhook"] || !ports["policy-webhook"]) return false;
    return (await fetch(`http://127.0.0.1:${ports["health"]}/readyz`)).status === 200;
  });
  const configuration = api.get(
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/cedana-restore",
  ) as unknown as { webhooks: { clientConfig: { caBundle: string } }[] };
  ca = Buffer.from(configuration.webhooks[0]?.clientConfig.caBundle ?? "", "base64").toString();
}, 60_000);

afterEach(async () => {
  clients?.kill();
  clients = undefined;
  await until("the honest client is served", async () => (await admit()).status === 200);
});

afterAll(async () => {
  await controller.stop();
  server.stop();
  rmSync(folder, { recursive: true });
});

/** Ports by server, from the log. */
function listening(): Record<string, number> {
  const lines = readFileSync(controller.log, "utf8").split("\n").filter(Boolean);
  const all = lines.map((line) => JSON.parse(line) as { server?: string; port?: number });
  return Object.fromEntries(
    all.flatMap(({ server: name, port }) => (name !== undefined && port !== undefined ? [[name, port]] : [])),
  );
}

/** Sends the review of a pod, as an API server does. */
function admit(): Promise<{ readonly status: number; readonly text: string; readonly ms: number }> {
  const start = performance.now();
  const uid = `u-${++next}`;
  const review = {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid,
      namespace: "shop",
      resource: { group: "", version: "v1", resource: "pods" },
      operation: "CREATE",
      userInfo: { username: "dev" },
      object: podJson({ name: `web-${next % 100}` }),
    },
  };
  return new Promise((resolve, reject) => {
    const options = {
      port: ports["webhook"],
      host: "127.0.0.1",
      path: "/restore",
      method: "POST",
      ca,
      servername: "cedana-restore.cedana-system.svc",
      agent: false as const,
      localAddress: "127.0.0.1",
    };
    const sent = request(options, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += String(chunk)));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text, ms: performance.now() - start }),
      );
    });
    sent.on("error", reject);
    sent.end(JSON.stringify(review));
  });
}

/** Sends a signed request to the policy. */
function fire(id: string): Promise<{ readonly status: number; readonly text: string }> {
  const timestamp = Math.floor(Date.now() / 1000);
  return new Promise((resolve, reject) => {
    const options = {
      port: ports["policy-webhook"],
      host: "127.0.0.1",
      path: "/checkpointpolicies/shop/deploy",
      method: "POST",
      ca,
      servername: POLICIES_NAME,
      agent: false as const,
      localAddress: "127.0.0.1",
      headers: {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(KEY, id, timestamp, "{}"),
      },
    };
    const sent = request(options, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += String(chunk)));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sent.on("error", reject);
    sent.end("{}");
  });
}

const CLIENTS = join(__dirname, "hostile-clients.cjs");
const ATTACKS = [
  "no hostile clients",
  "bodies of 6 MB",
  "bodies of 6 MB without a length",
  "large valid JSON",
  "bodies that stop before their end",
  "clients that read nothing",
  "headers that do not end",
  "connections without a TLS handshake",
  "connections without a request",
];

/** Starts the hostile clients in a process of their own: this one is the API server. */
async function attack(name: string, server = "webhook"): Promise<void> {
  const child = spawn(process.execPath, [CLIENTS, `${ports[server]}`, `${CONNECTIONS}`, name], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  clients = child;
  await once(child.stdout, "data");
}

/** Returns the peak of the resident memory of the controller and of its children, MiB. */
function peakMiB(): readonly number[] {
  const children = readFileSync(`/proc/${controller.pid}/task/${controller.pid}/children`, "utf8");
  return [controller.pid, ...children.trim().split(" ").map(Number)].map(
    (pid) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024,
  );
}

test.each(ATTACKS)(
  "under 200 connections: %s. Pods are admitted and the gate works",
  async (name) => {
    const node = nodeName(0);
    server.api.edit(`${NODES}/${node}`, (object) => {
      object["spec"] = { taints: [{ key: "cedana.ai/not-ready", value: "true", effect: "NoSchedule" }] };
    });
    if (name !== "no hostile clients") await attack(name);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const times: number[] = [];
    for (let index = 0; index < 20; index++) {
      const { status, text, ms } = await admit();
      expect([status, text.includes('"allowed":true')]).toEqual([200, true]);
      times.push(ms);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    makeReady(server.api, 0);
    await until("the taint is removed", async () => {
      const { taints = [] } = (server.api.get(`${NODES}/${node}`)?.["spec"] ?? {}) as { taints?: unknown[] };
      return taints.length === 0;
    });
    const peaks = peakMiB();
    expect(peaks.reduce((sum, one) => sum + one, 0)).toBeLessThan(MEMORY_MIB);
    const sorted = times.toSorted((a, b) => a - b).map(Math.round);
    const line = `${name}: admission p50 ${sorted[10]} ms, longest ${sorted.at(-1)} ms; peak ${peaks.map(Math.round).join(" + ")} MiB`;
    process.stdout.write(`${line}\n`);
  },
  240_000,
);

test.each([
  "requests with a wrong signature",
  "bodies of 10 MB",
  "bodies that stop before their end",
  "clients that read nothing",
  "headers that do not end",
])(
  "under 200 connections to the trigger webhook: %s. Pods are admitted, and a signed request is accepted",
  async (name) => {
    await attack(name, "policy-webhook");
    await new Promise((resolve) => setTimeout(resolve, 500));
    const times: number[] = [];
    for (let index = 0; index < 20; index++) {
      const { status, text, ms } = await admit();
      expect([status, text.includes('"allowed":true')]).toEqual([200, true]);
      times.push(ms);
    }
    const id = name.replaceAll(" ", "-");
    let last = "";
    await until(`a signed request is accepted: ${name}`, async () => {
      const { status, text } = await fire(id);
      last = `${status} ${text}`;
      return status === 202 || (status === 200 && text.includes("accepted before"));
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; the last response: ${last}`);
    });
    const peaks = peakMiB();
    expect(peaks.reduce((sum, one) => sum + one, 0)).toBeLessThan(MEMORY_MIB);
    const sorted = times.toSorted((a, b) => a - b).map(Math.round);
    const line = `${name}, trigger webhook: admission p50 ${sorted[10]} ms, longest ${sorted.at(-1)} ms; peak ${peaks.map(Math.round).join(" + ")} MiB`;
    process.stdout.write(`${line}\n`);
  },
  240_000,
);

test("refusals are counted, and neither process was started again", async () => {
  const text = await (await fetch(`http://127.0.0.1:${ports["metrics"]}/metrics`)).text();
  const of = (series: string) =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(series))
        ?.split(" ")[1],
    );
  for (const reason of ["size", "bytes", "time"])
    expect(of(`cedana_webhook_refused_total{reason="${reason}"}`)).toBeGreaterThan(0);
  expect(of("cedana_webhook_restarts_total")).toBe(0);
  for (const result of ["accepted", "unsigned", "size", "time", "requests"])
    expect(of(`cedana_policy_webhook_requests_total{result="${result}"}`)).toBeGreaterThan(0);
  expect(of("cedana_policy_webhook_restarts_total")).toBe(0);
  expect(controller.exit).toBeUndefined();
});

test("webhook processes that are killed are started again, and the controller keeps running", async () => {
  const children = readFileSync(`/proc/${controller.pid}/task/${controller.pid}/children`, "utf8");
  for (const pid of children.trim().split(" ")) process.kill(Number(pid), "SIGKILL");
  await until("the webhook responds", async () => {
    ports = listening();
    const response = await admit().catch(() => undefined);
    return response?.status === 200 && (await fire("last")).status < 500;
  });
  expect(controller.exit).toBeUndefined();
});

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; !(await holds().catch(() => false));) {
    if (Date.now() > end) throw new Error(`not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
