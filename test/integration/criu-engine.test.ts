/**
 * Engine criu on a real API server: controller and agent as processes, with the permissions of the install, a fake
 * host service and a fake registry. Needs CEDANA_INTEGRATION_KUBECONFIG and `npm run build`.
 */
import { spawn, type ChildProcess } from "node:child_process";
import {
  appendFileSync,
  existsSync,
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
import { FakeHostService } from "./support/fake-host-service";

const config = kubeconfig();
const [SYSTEM, TEAM, NODE] = ["criu-engine-system", "criu-engine-team", "criu-engine-1"];
const CHECKPOINTS = `/apis/automation.cedana.ai/v1alpha1/namespaces/${TEAM}/checkpoints`;
const NODE_CHECKPOINTS = `/apis/automation.cedana.ai/v1alpha1/namespaces/${SYSTEM}/nodecheckpoints`;
const NODE_RESTORES = `/apis/automation.cedana.ai/v1alpha1/namespaces/${SYSTEM}/noderestores`;

interface Conditions {
  readonly conditions?: readonly { type: string; status: string; reason: string; message: string }[];
}

interface Checkpoint {
  readonly metadata?: { readonly uid: string };
  readonly spec?: object;
  readonly record?: object;
  readonly status?: Conditions & {
    readonly containers?: readonly { name: string; location?: string; checkpointID?: string }[];
  };
}

(config === undefined ? describe.skip : describe)("engine criu", () => {
  const folder = mkdtempSync(join(tmpdir(), "criu-engine-"));
  const state = join(folder, "state");
  const running = new Map<"agent" | "controller", ChildProcess>();
  process.once("exit", () => {
    for (const child of running.values()) child.kill("SIGKILL");
  });
  let api: ApiServer;
  let objects: readonly KubernetesObject[];
  let host: FakeHostService;
  let registry: FakeRegistry;

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    host = await new FakeHostService().start();
    registry = await new FakeRegistry().start();
    const image = { repository: "registry.example.com/image", tag: "1" };
    const engine = { kind: "criu" as const, image, repository: `${registry.host}/checkpoints` };
    const install = {
      name: "criu-engine",
      namespace: SYSTEM,
      controller: { image },
      checkpoints: { namespaces: [TEAM] },
      nodeSelector: { "criu-engine.example.com/enabled": "true" },
    };
    objects = new CedanaChart(Testing.app(), "criu-engine", {
      engine,
      install,
    }).toJson() as KubernetesObject[];
    await apply(api, namespace(TEAM));
    for (const object of objects) await apply(api, object);
    for (const name of [NODE, "criu-engine-2"])
      await apply(api, { apiVersion: "v1", kind: "Node", metadata: { name } });
    // The second node has no agent.
    await runPod("no-agent", "criu-engine-2");
    await runPod("web", NODE);
    await eventually(30, "the kinds are served", async () => {
      const responses = await Promise.all(
        [CHECKPOINTS, NODE_CHECKPOINTS, NODE_RESTORES].map((path) => api.request("GET", path)),
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
    for (const name of [NODE, "criu-engine-2"]) await api.request("DELETE", `/api/v1/nodes/${name}`);
    api.close();
    await host.stop();
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Creates a pod of two containers with the phase Running. */
  async function runPod(name: string, nodeName: string): Promise<void> {
    const containers = ["app", "log"].map((each) => ({ name: each, image: `image-${each}` }));
    const metadata = { name, namespace: TEAM };
    await apply(api, { apiVersion: "v1", kind: "Pod", metadata, spec: { nodeName, containers } });
    await api.request(
      "PATCH",
      `/api/v1/namespaces/${TEAM}/pods/${name}/status`,
      { status: { phase: "Running" } },
      { contentType: "application/merge-patch+json" },
    );
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

  /** Writes the settings of the install, with other paths, and without gate and restore. */
  async function prepare(): Promise<void> {
    const agent = settingsOf("criu-engine-agent-settings");
    const controller = settingsOf("criu-engine-controller-settings");
    const files: Record<string, object> = {
      agent: { ...agent, state, socket: host.socket },
      controller: { ...controller, gate: false, ...("restore" in controller ? { restore: false } : {}) },
    };
    const tokens = {
      agent: await tokenOf("criu-engine-agent", NODE),
      controller: await tokenOf("criu-engine-controller"),
    };
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
        ? ["run", ...common]
        : [...common, "--metrics-port", "0", "--health-port", "0", "--identity", "criu-engine"];
    const env = { PATH: process.env["PATH"], NODE_NAME: NODE };
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

  /** Waits for the outcome of an object: `Ready CheckpointCompleted message`. */
  async function outcomeAt(path: string): Promise<Checkpoint & { outcome: string }> {
    let found: Checkpoint = {};
    const conditions = () => found.status?.conditions ?? [];
    await eventually(90, `${path} has ended`, async () => {
      found = (await api.request<Checkpoint>("GET", path)).body;
      return conditions().some(({ type, status }) => ["Ready", "Failed"].includes(type) && status === "True");
    });
    const { type, reason, message } = conditions().find(({ status }) => status === "True")!;
    return { ...found, outcome: `${type} ${reason} ${message}` };
  }
  const ended = (name: string) => outcomeAt(`${CHECKPOINTS}/${name}`);

  const nodeCheckpoints = async () =>
    (await api.request<{ items: KubernetesObject[] }>("GET", NODE_CHECKPOINTS)).body.items;

  async function expectNothingLeft(): Promise<void> {
    await eventually(
      20,
      "all NodeCheckpoints are deleted",
      async () => (await nodeCheckpoints()).length === 0,
    );
    await eventually(20, "the journal is empty", async () => readdirSync(state).length === 0);
    await eventually(20, "the node has no checkpoint", async () => host.state().checkpoints.length === 0);
  }

  test("two containers are stored as one artifact", async () => {
    start("controller");
    start("agent");
    await take("without-agent", "no-agent");
    await take("one");
    const { outcome, status } = await ended("one");
    expect(outcome).toBe("Ready CheckpointCompleted checkpointed app, log");
    const locations = status?.containers?.map(({ location = "" }) => location) ?? [];
    expect(locations).toEqual(
      locations.map(() => expect.stringMatching(/\/checkpoints@sha256:[0-9a-f]{64}$/)),
    );
    expect([locations.length, new Set(locations).size]).toEqual([2, 1]);
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
      /^Failed AgentNotAnswering the agent of node criu-engine-2 did not report within 60 s/,
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
    expect(outcomes).toEqual(outcomes.map(() => "Ready CheckpointCompleted checkpointed app, log"));
    expect(host.maxConcurrent).toBe(1);
    await expectNothingLeft();
  });

  /** Returns an object as a backup has it, under another name. */
  const fromBackup = ({ spec, record }: Checkpoint, name: string) => ({
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "Checkpoint",
    metadata: { name, namespace: TEAM, labels: { "velero.io/restore-name": "monday" } },
    spec,
    record,
  });

  test("a Checkpoint from a backup, without its status, has its artifact again, and no checkpoint is taken", async () => {
    await take("saved");
    const saved = await ended("saved");
    expect(saved.record).toMatchObject({
      checkpointUID: saved.metadata?.uid,
      result: { containers: saved.status?.containers },
    });
    await api.request("DELETE", `${CHECKPOINTS}/saved`);
    await expectNothingLeft();
    const before = [...registry.manifests.keys()];
    expect(await api.request("POST", CHECKPOINTS, fromBackup(saved, "saved"))).toMatchObject({ status: 201 });
    const back = await ended("saved");
    expect(back.outcome).toBe(`Ready CheckpointCompleted from a backup of Checkpoint ${saved.metadata?.uid}`);
    expect(back.status?.containers).toEqual(saved.status?.containers);
    expect(back.record).toEqual(saved.record);
    expect(back.metadata?.uid).not.toBe(saved.metadata?.uid);
    expect([...registry.manifests.keys()]).toEqual(before);
    expect(host.maxConcurrent).toBe(1);
  });

  test("only a user with the verb import creates a record, and only the controller changes it", async () => {
    const rules = (verbs: readonly string[]) => [
      { apiGroups: ["automation.cedana.ai"], resources: ["checkpoints"], verbs },
    ];
    const rights = {
      editor: ["get", "create", "update", "patch"],
      importer: ["get", "create", "update", "patch", "import"],
    };
    for (const [name, verbs] of Object.entries(rights)) {
      const rbac = "rbac.authorization.k8s.io/v1";
      const about = { name: `records-${name}`, namespace: TEAM };
      await apply(api, { apiVersion: rbac, kind: "Role", metadata: about, rules: rules(verbs) });
      const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: about.name };
      const subjects = [{ kind: "User", name, apiGroup: "rbac.authorization.k8s.io" }];
      await apply(api, { apiVersion: rbac, kind: "RoleBinding", metadata: about, roleRef, subjects });
    }
    const { body: saved } = await api.request<Checkpoint>("GET", `${CHECKPOINTS}/saved`);
    const asUser = (user: string, method: string, path: string, body: object) =>
      api.request<{ message?: string }>(method, path, body, {
        contentType: method === "PATCH" ? "application/merge-patch+json" : "application/json",
        as: user,
      });
    const create = (user: string, object: object) => asUser(user, "POST", CHECKPOINTS, object);
    const refused = await create("editor", fromBackup(saved, "forged"));
    expect(refused.status).toBe(403);
    expect(refused.body.message).toContain(
      `editor may not import Checkpoints into namespace ${TEAM}: it needs the verb import on checkpoints.automation.cedana.ai`,
    );
    const { record: _record, ...plain } = fromBackup(saved, "plain");
    expect(await create("editor", plain)).toMatchObject({ status: 201 });
    await ended("plain");
    const forged = { record: { checkpointUID: "another", result: {} } };
    for (const user of ["editor", "importer"])
      expect(await asUser(user, "PATCH", `${CHECKPOINTS}/plain`, forged)).toMatchObject({
        status: 403,
        body: { message: expect.stringContaining("only the controller changes it") as string },
      });
    const kept = { metadata: { labels: { mine: "yes" } } };
    expect(await asUser("editor", "PATCH", `${CHECKPOINTS}/plain`, kept)).toMatchObject({ status: 200 });
    expect(await create("importer", fromBackup(saved, "imported"))).toMatchObject({ status: 201 });
    expect((await ended("imported")).status?.containers).toEqual(saved.status?.containers);
    const account = `system:serviceaccount:${SYSTEM}:criu-engine-controller`;
    expect(await asUser(account, "PATCH", `${CHECKPOINTS}/plain`, kept)).toMatchObject({ status: 200 });
    const other = { metadata: { finalizers: ["example.com/hold"] } };
    expect(await asUser(account, "PATCH", `${CHECKPOINTS}/plain`, other)).toMatchObject({ status: 403 });
    await expectNothingLeft();
  });

  test("every restore is prepared and reported although the agent is killed repeatedly", async () => {
    const random = new Random(8);
    const { metadata, status } = await ended("one");
    for (let round = 1; round <= 4; round++) {
      const name = `0b8f5b0e-6d0c-4b52-9f3e-00000000000${round}`;
      const created = await api.request("POST", NODE_RESTORES, {
        apiVersion: "automation.cedana.ai/v1alpha1",
        kind: "NodeRestore",
        metadata: {
          name,
          namespace: SYSTEM,
          labels: { "automation.cedana.ai/node": NODE },
        },
        spec: {
          nodeName: NODE,
          podRef: { namespace: TEAM, name: `restored-${round}`, uid: name },
          checkpointUID: metadata?.uid,
          image: status?.containers?.[0]?.location,
          fallback: "fresh",
          restart: "fresh",
          lazy: false,
          timeoutSeconds: 300,
        },
      });
      expect(created).toMatchObject({ status: 201 });
      await pause(random.between(0, 600));
      if (round > 1) await restart("agent");
      expect((await outcomeAt(`${NODE_RESTORES}/${name}`)).outcome).toMatch(/^Ready Restored /);
      expect(host.state()).toMatchObject({
        plans: [{ podUID: name, checkpoint: metadata?.uid }],
        stagings: [],
      });
      await api.request("DELETE", `${NODE_RESTORES}/${name}`);
      await eventually(20, "the plan is deleted", async () => host.state().plans.length === 0);
    }
  });
});
