/**
 * Engine kubelet on a real API server: controller and agent as programs, with the rights of the install and no others; a
 * kubelet and a registry of the tests'. Needs CEDANA_INTEGRATION_KUBECONFIG and `npm run build`.
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
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "./support/apiserver";
import { namespace, put } from "./support/apiserver-install";
import { Random } from "../support/random";
import { FakeKubelet } from "./support/fake-kubelet";

const config = kubeconfig();
const [SYSTEM, TEAM, NODE] = ["mailbox-system", "mailbox-team", "mailbox-1"];
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
      name: "mailbox",
      namespace: SYSTEM,
      controller: { image },
      checkpoints: { namespaces: [TEAM] },
      nodeSelector: { "mailbox.example.com/enabled": "true" },
    };
    objects = new CedanaChart(Testing.app(), "mailbox", { engine, install }).toJson() as KubernetesObject[];
    await put(api, namespace(TEAM));
    for (const object of objects) await put(api, object);
    for (const name of [NODE, "mailbox-2"])
      await put(api, { apiVersion: "v1", kind: "Node", metadata: { name } });
    // The second node has no agent.
    await runPod("lonely", "mailbox-2");
    kubelet.podUID = await runPod("web", NODE);
    await eventually(30, "the kinds are served", async () => {
      const answers = await Promise.all(
        [CHECKPOINTS, NODE_CHECKPOINTS].map((path) => api.request("GET", path)),
      );
      return answers.every(({ status }) => status === 200);
    });
    await prepare();
  });
  afterAll(async () => {
    for (const child of running.values()) child.kill("SIGKILL");
    for (const object of [...objects].toReversed())
      if (!["CustomResourceDefinition", "Namespace"].includes(object.kind)) await api.delete(object);
    await api.request("DELETE", CHECKPOINTS);
    for (const name of ["web", "lonely"])
      await api.request("DELETE", `/api/v1/namespaces/${TEAM}/pods/${name}?gracePeriodSeconds=0`);
    for (const name of [NODE, "mailbox-2"]) await api.request("DELETE", `/api/v1/nodes/${name}`);
    api.close();
    kubelet.stop();
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A pod of two containers that runs, as far as anybody says. @returns its UID */
  async function runPod(name: string, nodeName: string): Promise<string> {
    const containers = ["a", "b"].map((each) => ({ name: each, image: `image-${each}` }));
    const metadata = { name, namespace: TEAM };
    await put(api, { apiVersion: "v1", kind: "Pod", metadata, spec: { nodeName, containers } });
    const { body } = await api.request<{ metadata: { uid: string } }>(
      "PATCH",
      `/api/v1/namespaces/${TEAM}/pods/${name}/status`,
      { status: { phase: "Running" } },
      { contentType: "application/merge-patch+json" },
    );
    return body.metadata.uid;
  }

  /** A token of an account, bound to a node as those of pods are. */
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

  /** Settings as the install has them, but for paths, the kubelet's port, and what other suites are about. */
  async function prepare(): Promise<void> {
    const { archives, port } = kubelet;
    const agent = settingsOf("mailbox-agent-settings");
    const controller = settingsOf("mailbox-controller-settings");
    const files: Record<string, object> = {
      agent: { ...agent, archives, state, reserveBytes: 0, kubelet: { ...agent["kubelet"], port } },
      controller: { ...controller, gate: false, ...("restore" in controller ? { restore: false } : {}) },
    };
    const account = join(folder, "account");
    mkdirSync(account);
    const tokens = {
      agent: await tokenOf("mailbox-agent", NODE),
      controller: await tokenOf("mailbox-controller"),
    };
    writeFileSync(join(account, "token"), tokens.agent);
    writeFileSync(join(account, "ca.crt"), kubelet.ca);
    const own = parse(readFileSync(config ?? "", "utf8")) as { users: { user: object }[] };
    for (const name of ["agent", "controller"] as const) {
      const users = own.users.map((user) => ({ ...user, user: { token: tokens[name] } }));
      writeFileSync(join(folder, `${name}.kubeconfig`), JSON.stringify({ ...own, users }), { mode: 0o600 });
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
        : [...common, "--metrics-port", "0", "--health-port", "0", "--identity", "mailbox"];
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

  /** `Ready CheckpointCompleted message` */
  async function ended(name: string): Promise<Checkpoint & { said: string }> {
    let found: Checkpoint = {};
    await eventually(90, `${name} ends`, async () => {
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
    return { ...found, said: `${type} ${reason} ${message}` };
  }

  const nodeCheckpoints = async () =>
    (await api.request<{ items: KubernetesObject[] }>("GET", NODE_CHECKPOINTS)).body.items;

  async function nothingIsLeft(): Promise<void> {
    await eventually(20, "nothing is left", async () => (await nodeCheckpoints()).length === 0);
    await eventually(20, "the journal is empty", async () => readdirSync(state).length === 0);
    expect(readdirSync(kubelet.archives)).toEqual([]);
  }

  test("two containers become two images", async () => {
    start("controller");
    start("agent");
    await take("alone", "lonely");
    await take("one");
    const { said, status } = await ended("one");
    expect(said).toBe("Ready CheckpointCompleted checkpointed a, b");
    const places = status?.containers?.map(({ location = "" }) => location) ?? [];
    expect(places).toEqual(places.map(() => expect.stringMatching(/\/checkpoints@sha256:[0-9a-f]{64}$/)));
    expect(new Set(places).size).toBe(2);
    for (const { checkpointID = "" } of status?.containers ?? [])
      expect([...registry.manifests.keys()].some((key) => key.endsWith(checkpointID))).toBe(true);
    await eventually(20, "it is forgotten", async () => (await nodeCheckpoints()).length === 1);
  });

  test("without an agent it is said that there is none", async () => {
    const { said } = await ended("alone");
    expect(said).toMatch(
      /^Failed AgentNotAnswering container a: the agent of node mailbox-2 has not answered within 60 s/,
    );
    await nothingIsLeft();
  });

  test("controller and agent are killed again and again; every Checkpoint is completed", async () => {
    const random = new Random(7);
    const said: string[] = [];
    for (let round = 1; round <= 4; round++) {
      await take(`killed-${round}`);
      await pause(random.between(0, 3500));
      if (round % 3 !== 0) await restart("agent");
      if (round % 3 !== 1) await restart("controller");
      said.push((await ended(`killed-${round}`)).said);
    }
    expect(said).toEqual(said.map(() => "Ready CheckpointCompleted checkpointed a, b"));
    expect(kubelet.mostAtOnce).toBe(1);
    await nothingIsLeft();
  });
});
