import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { COMMAND, ControllerProcess } from "../../testbed/cluster/process";
import { ApiServer, kubeconfigOf } from "../../testbed/fake-api-server";
import { checkpointOf, putOthers, settings } from "../../testbed/simulated-install";
import { each, percentile } from "./each";

const NAMESPACE = "shop";
const CHECKPOINTS = `/apis/automation.cedana.ai/v1alpha1/namespaces/${NAMESPACE}/checkpoints`;
const CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
/** Pods that are admitted at a time. */
const AT_ONCE = 12;
/** Pods that are admitted before the measurement: code is compiled, and connections are open. */
const WARM_UP = 240;
const MEASURED = 960;

/** Figures of one round. */
interface Figures {
  /** Time of an admission, from the review to the response, ms. */
  readonly p50: number;
  readonly p99: number;
  /** CPU time of an admission, ms: of the controller, and of the webhook's process. */
  readonly controllerMs: number;
  readonly webhookMs: number;
}

/**
 * Measures admissions of `restore-from: latest` in a namespace with many Checkpoints. The API server is in the memory of this
 * process and costs little: the figures are those of the controller and of its webhook's process, over TLS.
 * @returns a table in Markdown
 */
export async function measureAdmissions(count: number, rounds: number): Promise<string> {
  const all: Figures[] = [];
  for (let round = 1; round <= rounds; round++) {
    const figures = await measure(count);
    console.log(`round ${round}: ${line(figures)}; load ${loadavg()[0]?.toFixed(1)}`);
    all.push(figures);
  }
  const of = (key: keyof Figures) =>
    percentile(
      all.map((one) => one[key]),
      0.5,
    ).toFixed(1);
  return [
    "| Checkpoints | p50, ms | p99, ms | CPU of the controller, ms | CPU of the webhook's process, ms |",
    "| ---: | ---: | ---: | ---: | ---: |",
    `| ${count} | ${of("p50")} | ${of("p99")} | ${of("controllerMs")} | ${of("webhookMs")} |`,
  ].join("\n");
}

const line = ({ p50, p99, controllerMs, webhookMs }: Figures) =>
  `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms; CPU of an admission ${controllerMs.toFixed(1)} + ${webhookMs.toFixed(1)} ms`;

async function measure(count: number): Promise<Figures> {
  const server = new ApiServer();
  const { api } = server;
  const given = settings();
  if (!given.restore) throw new Error("the settings have no restore");
  putOthers(api, 0, 0);
  api.put(CONFIGURATIONS, {
    metadata: { name: given.restore.configuration },
    webhooks: [{ name: "restore.cedana.ai", clientConfig: {} }],
  } as never);
  const workloads = WARM_UP + MEASURED;
  for (let index = 0; index < count; index++) {
    const { metadata, record, status } = checkpointOf(index);
    const { owner: _owner, podTemplateHash: _hash, ...alone } = status as Record<string, unknown>;
    const spec = { podRef: { name: `w-${index % workloads}` }, leaveRunning: true };
    const stored = api.put(CHECKPOINTS, { metadata, record, spec, status: alone } as never);
    // Another UID would be that of a backup.
    api.edit(`${CHECKPOINTS}/${metadata.name}`, (object) => {
      object["record"] = { ...record, checkpointUID: stored.metadata.uid };
    });
  }
  api.compact();
  const folder = mkdtempSync(join(tmpdir(), "cedana-bench-admissions-"));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, kubeconfigOf(await server.start()));
  const controller = new ControllerProcess({
    kubeconfig,
    settings: { ...given, log: { level: "info" }, restore: { ...given.restore, certificates: "own" } },
    replica: "bench",
    folder,
    command: COMMAND,
  });
  try {
    const ports = await readyPorts(controller);
    const configuration = api.get(`${CONFIGURATIONS}/${given.restore.configuration}`) as unknown as {
      webhooks: { clientConfig: { caBundle: string } }[];
    };
    const ca = Buffer.from(configuration.webhooks[0]?.clientConfig.caBundle ?? "", "base64").toString();
    const [servername = ""] = given.restore.dnsNames;
    const agent = new Agent({ keepAlive: true, ca, servername, maxSockets: AT_ONCE });
    const admit = (index: number) => admission(agent, ports["webhook"] ?? 0, index);
    await each(
      Array.from({ length: WARM_UP }, (_, index) => index),
      AT_ONCE,
      admit,
    );
    const times: number[] = [];
    const before = cpuSeconds(controller.pid);
    await each(
      Array.from({ length: MEASURED }, (_, index) => WARM_UP + index),
      AT_ONCE,
      async (index) => void times.push(await admit(index)),
    );
    const after = cpuSeconds(controller.pid);
    agent.destroy();
    const ms = (which: 0 | 1) => ((after[which] - before[which]) / MEASURED) * 1000;
    return {
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      controllerMs: ms(0),
      webhookMs: ms(1),
    };
  } finally {
    await controller.stop();
    server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Sends the review of a pod, as an API server does. @returns the time until the response, ms. @throws Error if it is not restored */
function admission(agent: Agent, port: number, index: number): Promise<number> {
  const name = `w-${index}`;
  const review = {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: `admission-${index}`,
      namespace: NAMESPACE,
      resource: { group: "", version: "v1", resource: "pods" },
      operation: "CREATE",
      userInfo: { username: "dev" },
      object: {
        metadata: { name, namespace: NAMESPACE, annotations: { "cedana.ai/restore-from": "latest" } },
        spec: { containers: [{ name: "app", image: "registry.example.com/shop/web:v1.2.3" }] },
      },
    },
  };
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", path: "/restore", method: "POST", agent }, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += String(chunk)));
      response.on("end", () => {
        const ms = performance.now() - start;
        const { response: decision } = JSON.parse(text) as { response: { patch?: string } };
        const patch = Buffer.from(decision.patch ?? "", "base64").toString();
        if (patch.includes("restore-plan")) resolve(ms);
        else reject(new Error(`${name} is not restored: ${text} ${patch}`));
      });
    });
    sent.on("error", reject);
    sent.end(JSON.stringify(review));
  });
}

/** Returns the CPU time of the controller, and of the webhook's process, s. */
function cpuSeconds(pid: number): readonly [number, number] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  const of = (one: number | string) => {
    const stat = readFileSync(`/proc/${one}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  };
  return [of(pid), children.reduce((sum, child) => sum + of(child), 0)];
}

/** Waits until the controller is Ready. @returns its ports by server, from its log */
async function readyPorts(controller: ControllerProcess): Promise<Readonly<Record<string, number>>> {
  for (const start = performance.now(); ;) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (controller.exit) throw new Error(`the controller ended: ${readFileSync(controller.log, "utf8")}`);
    if (performance.now() - start > 300_000) throw new Error("the controller is not Ready after 5 minutes");
    const lines = readFileSync(controller.log, "utf8").split("\n").slice(0, -1);
    const all = lines.map((text) => JSON.parse(text) as { server?: string; port?: number });
    const ports = Object.fromEntries(all.map(({ server, port }) => [server ?? "", port ?? 0]));
    if (!ports["health"] || !ports["webhook"]) continue;
    if ((await fetch(`http://127.0.0.1:${ports["health"]}/readyz`)).status === 200) return ports;
  }
}
