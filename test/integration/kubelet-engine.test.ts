/**
 * Engine kubelet on a real API server: controller and agent as processes, with the permissions of the install, a fake
 * kubelet and a fake registry. Needs CEDANA_INTEGRATION_KUBECONFIG and `npm run build`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Testing } from "cdk8s";
import { parse } from "yaml";
import { CedanaChart } from "../../stacks/kubernetes";
import { FakeRegistry } from "../support/registry";
import { ROOT } from "../support/sources";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { namespace, apply } from "./support/apiserver-install";
import { Random } from "../../testbed/random";
import { FakeKubelet } from "./support/fake-kubelet";

const config = kubeconfig();
const [SYSTEM, TEAM, NODE] = ["kubelet-engine-system", "kubelet-engine-team", "kubelet-engine-1"];
const CHECKPOINTS = `/apis/automation.cedana.ai/v1alpha1/namespaces/${TEAM}/checkpoints`;
const NODE_CHECKPOINTS = `/apis/automation.cedana.ai/v1alpha1/namespaces/${SYSTEM}/nodecheckpoints`;

interface Checkpoint {
  readonly status?: {
    readonly conditions?: readonly { type: string; status: string; reason: string; message: string }[];
    readonly containers?: readonly { name: string; location?: string; checkpointID?: string }[];
  };
}

(config === undefined ? describe.skip : describe)("engine kubelet", () => {
  const folder = mkdtempSync(join(tmpdir(), "kubelet-engine-"));
  const state = join(folder, "state");
  const running = new Map<"agent" | "controller", ChildProcess>();
  process.once("exit", () => {
    for (const child of running.values()) child.kill("SIGKILL");
  });
  let api: ApiServer;
  let objects: readonly KubernetesObject[];
  let kubelet: FakeKubelet;
  let registry: FakeRegistry;

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    kubelet = await new FakeKubelet(join(folder, "archives")).start();
    registry = await new FakeRegistry().start();
    const image = { repository: "registry.example.com/image", tag: "1" };
    const engine = { kind: "kubelet" as const, image, repository: `${registry.host}/checkpoints` };
    const install = {
      name: "kubelet-engine",
      namespace: SYSTEM,
      controller: { image },
      checkpoints: { namespaces: [TEAM] },
      nodeSelector: { "kubelet-engine.example.com/enabled": "true" },
    };
    objects = new CedanaChart(Testing.app(), "kubelet-engine", {
      engine,
      install,
    }).toJson() as KubernetesObject[];
    await apply(api, namespace(TEAM));
    for (const object of objects) await apply(api, object);
    for (const name of [NODE, "kubelet-engine-2"])
      await apply(api, { apiVersion: "v1", kind: "Node", metadata: { name } });
    // The second node has no agent.
    await runPod("no-agent", "kubelet-engine-2");
    kubelet.podUID = await runPod("web", NODE);
    await eventually(30, "the kinds are served", async () => {
      const responses = await Promise.all(
        [CHECKPOINTS, NODE_CHECKPOINTS].map((path) => api.request("GET", path)),
      );
      return responses.every(({ status }) => status === 200);
    });
    await prepare();
  });
  afterAll(async () => {
    for (const child of running.values()) child.kill("SIGKILL");
    for (const object of [...objects].toReversed())
      if (!["CustomResourceDefinition", "Namespace"].includes(object.kind)) await api.delete(object);
    await api.request("DELETE", CHECKPOINTS);
    for (const name of ["web", "no-agent"])
      await api.request("DELETE", `/api/v1/namespaces/${TEAM}/pods/${name}?gracePeriodSeconds=0`);
    for (const name of [NODE, "kubelet-engine-2"]) await api.request("DELETE", `/api/v1/nodes/${name}`);
    api.close();
    kubelet.stop();
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Creates a pod of two containers with the phase Running. @returns its UID */
  async function runPod(name: string, nodeName: string): Promise<string> {
    const containers = ["a", "b"].map((each) => ({ name: each, image: `image-${each}` }));
    const metadata = { name, namespace: TEAM };
    await apply(api, { apiVersion: "v1", kind: "Pod", metadata, spec: { nodeName, containers } });
    const { body } = await api.request<{ metadata: { uid: string } }>(
      "PATCH",
      `/api/v1/namespaces/${TEAM}/pods/${name}/status`,
      { status: { phase: "Running" } },
      { contentType: "application/merge-patch+json" },
    );
    return body.metadata.uid;
  }

  /** Returns a token of a ServiceAccount, bound to a node like the tokens of pods. */
  async function tokenOf(account: string, node?: string): Promise<string> {
    const bound =
      node === undefined ? {} : { boundObjectRef: { apiVersion: "v1", kind: "Node", name: node } };
    const { body } = await api.request<{ status: { token: string } }>(
      "POST",
      `/api/v1/namespaces/${SYSTEM}/serviceaccounts/${account}/token`,
      {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { expirationSeconds: 3600, ...bound },
      },
    );
    return body.status.token;
  }

  const settingsOf = (name: string) => {
    const map = objects.find(({ kind, metadata }) => kind === "ConfigMap" && metadata.name === name);
    return JSON.parse(Object.values((map?.["data"] ?? {}) as Record<string, string>)[0] ?? "") as Record<
      string,
      object
    >;
  };

  /** Writes the settings of the install, with other paths, the fake kubelet's port, and without gate and restore. */
  async function prepare(): Promise<void> {
    const { archives, port } = kubelet;
    const agent = settingsOf("kubelet-engine-agent-settings");
    const controller = settingsOf("kubelet-engine-controller-settings");
    const files: Record<string, object> = {
      agent: { ...agent, archives, state, reserveBytes: 0, kubelet: { ...agent["kubelet"], port } },
      controller: { ...controller, gate: false, ...("restore" in controller ? { restore: false } : {}) },
    };
    const account = join(folder, "account");
    mkdirSync(account);
    const tokens = {
      agent: await tokenOf("kubelet-engine-agent", NODE),
      controller: await tokenOf("kubelet-engine-controller"),
    };
    writeFileSync(join(account, "token"), tokens.agent);
    writeFileSync(join(account, "ca.crt"), kubelet.ca);
    const base = parse(readFileSync(config ?? "", "utf8")) as { users: { user: object }[] };
    for (const name of ["agent", "controller"] as const) {
      const users = base.users.map((user) => ({ ...user, user: { token: tokens[name] } }));
      writeFileSync(join(folder, `${name}.kubeconfig`), JSON.stringify({ ...base, users }), { mode: 0o600 });
      writeFileSync(join(folder, `${name}.json`), JSON.stringify(files[name]));
    }
  }

  function start(name: "agent" | "controller"): void {
    const program = join(ROOT, `dist/${name}.js`);
    if (!existsSync(program)) throw new Error(`${program} is missing: run npm run build`);
    const common = [
      "--settings",
      join(folder, `${name}.json`),
      "--kubeconfig",
      join(folder, `${name}.kubeconfig`),
    ];
    const list =
      name === "agent"
        ? ["run", ...common, "--account", join(folder, "account")]
        : [...common, "--metrics-port", "0", "--health-port", "0", "--identity", "kubelet-engine"];
    const env = { PATH: process.env["PATH"], NODE_NAME: NODE, HOST_IP: "127.0.0.1" };
    const child = spawn(process.execPath, [program, ...list], { env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => appendFileSync(join(folder, `${name}.log`), chunk));
    running.set(name, child);
  }

  async function restart(name: "agent" | "controller"): Promise<void> {
    const child = running.get(name);
    const ended = new Promise((resolve) => child?.once("exit", resolve));
    child?.kill("SIGKILL");
    await ended;
    start(name);
  }

  const take = (name: string, pod = "web") =>
    api.request("POST", CHECKPOINTS, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "Checkpoint",
      metadata: { name, namespace: TEAM },
      spec: { podRef: { name: pod } },
    });

  /** Waits for the outcome: `Ready CheckpointCompleted message`. */
  async function ended(name: string): Promise<Checkpoint & { outcome: string }> {
    let found: Checkpoint = {};
    await eventually(90, `${name} has ended`, async () => {
      found = (await api.request<Checkpoint>("GET", `${CHECKPOINTS}/${name}`)).body;
      return (found.status?.conditions ?? []).some(
        ({ type, status }) => type !== "Progressing" && status === "True",
      );
    });
    const {
      type = "",
      reason = "",
      message = "",
    } = found.status?.conditions?.find(({ status }) => status === "True") ?? {};
    return { ...found, outcome: `${type} ${reason} ${message}` };
  }

  const nodeCheckpoints = async () =>
    (await api.request<{ items: KubernetesObject[] }>("GET", NODE_CHECKPOINTS)).body.items;

  async function expectNothingLeft(): Promise<void> {
    await eventually(
      20,
      "all NodeCheckpoints are deleted",
      async () => (await nodeCheckpoints()).length === 0,
    );
    await eventually(20, "the journal is empty", async () => readdirSync(state).length === 0);
    expect(readdirSync(kubelet.archives)).toEqual([]);
  }

  test("two containers are stored as two images", async () => {
    start("controller");
    start("agent");
    await take("without-agent", "no-agent");
    await take("one");
    const { outcome, status } = await ended("one");
    expect(outcome).toBe("Ready CheckpointCompleted checkpointed a, b");
    const locations = status?.containers?.map(({ location = "" }) => location) ?? [];
    expect(locations).toEqual(
      locations.map(() => expect.stringMatching(/\/checkpoints@sha256:[0-9a-f]{64}$/)),
    );
    expect(new Set(locations).size).toBe(2);
    for (const { checkpointID = "" } of status?.containers ?? [])
      expect([...registry.manifests.keys()].some((key) => key.endsWith(checkpointID))).toBe(true);
    await eventually(
      20,
      "the NodeCheckpoints of the Checkpoint are deleted",
      async () => (await nodeCheckpoints()).length === 1,
    );
  });

  test("a Checkpoint on a node without an agent fails with AgentNotAnswering", async () => {
    const { outcome } = await ended("without-agent");
    expect(outcome).toMatch(
      /^Failed AgentNotAnswering container a: the agent of node kubelet-engine-2 did not report within 60 s/,
    );
    await expectNothingLeft();
  });

  test("every Checkpoint completes although controller and agent are killed repeatedly", async () => {
    const random = new Random(7);
    const outcomes: string[] = [];
    for (let round = 1; round <= 4; round++) {
      await take(`killed-${round}`);
      await pause(random.between(0, 3500));
      if (round % 3 !== 0) await restart("agent");
      if (round % 3 !== 1) await restart("controller");
      outcomes.push((await ended(`killed-${round}`)).outcome);
    }
    expect(outcomes).toEqual(outcomes.map(() => "Ready CheckpointCompleted checkpointed a, b"));
    expect(kubelet.maxConcurrent).toBe(1);
    await expectNothingLeft();
  });
});
