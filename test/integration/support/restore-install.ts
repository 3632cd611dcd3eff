/** An install with restore on a real API server: its objects, two controllers with the permissions of their ServiceAccount, and pods that no node runs. */
import { mkdtempSync } from "node:fs";
import { get } from "node:http";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Testing } from "cdk8s";
import { conditionsOf, NODE_RESTORE_CONDITION, type NodeRestoreReason } from "../../../api";
import { readControllerSettings, type ControllerSettings } from "../../../config/programs/controller";
import { CedanaChart } from "../../../stacks/kubernetes";
import { checkpointJson } from "../../unit/controller/restore/support";
import { ApiServer, eventually, type KubernetesObject } from "../../../testbed/cluster/apiserver";
import { ControllerProcess } from "../../../testbed/cluster/process";
import { kubeconfigOf } from "./account";

export const SYSTEM = "again-system";
export const TEAM = "again-team";
export const CHECKPOINTS = `/apis/automation.cedana.ai/v1alpha1/namespaces/${TEAM}/checkpoints`;
export const PODS = `/api/v1/namespaces/${TEAM}/pods`;
/** How long API servers still use the endpoint of a pod that is stopping. */
const ENDPOINT_MS = 2000;
export const JSON_PATCH = { contentType: "application/json-patch+json" };
export const CLASSES = classesOf("again");

/** Name, namespaces and extent of an install. */
export interface Names {
  readonly name: string;
  /** Namespace of the install. */
  readonly system: string;
  /** Namespace with Checkpoints and restores. */
  readonly team: string;
  /** Whether it has all of its admission policies, also those of its agents. Default: those of the controller and of restores. */
  readonly policies?: boolean;
}

export interface Pod extends KubernetesObject {
  readonly metadata: KubernetesObject["metadata"] & {
    readonly uid: string;
    readonly annotations: Record<string, string>;
  };
  readonly spec: {
    readonly containers: { readonly image: string }[];
    readonly nodeSelector?: object;
    readonly runtimeClassName?: string;
  };
}

/** Spec of pods that match no node, so that only the test changes their status. */
export const UNSCHEDULABLE = {
  nodeSelector: { "integration/none": "true" },
  containers: [{ name: "app", image: "app:1" }],
};

export const pod = (name: string, annotations: Record<string, string> = {}, more: object = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: TEAM, annotations, ...more },
  spec: UNSCHEDULABLE,
});
export const template = (labels: Record<string, string>) => ({
  metadata: { labels, annotations: { "cedana.ai/restore-from": "latest" } },
  spec: UNSCHEDULABLE,
});
/** Returns whether the pod waits for a plan. */
export const isPlanned = ({ metadata }: Pod) => "cedana.ai/restore-plan" in metadata.annotations;
export const checkpointOf = ({ metadata }: Pod) => metadata.annotations["cedana.ai/restore-checkpoint"];

export class RestoreInstall {
  readonly api: ApiServer;
  objects: KubernetesObject[] = [];
  replicas: ControllerProcess[] = [];
  private balancer?: Server;
  /** A node without a kubelet. */
  private readonly node: string;
  private metricsPorts: readonly number[] = [];
  /** Ports of the replicas that the balancer uses. */
  private endpoints: number[] = [];
  private readonly folder = mkdtempSync(join(tmpdir(), "cedana-restore-"));

  /** Collections in the namespace of the team. */
  readonly checkpoints: string;
  readonly pods: string;
  private readonly nodeRestores: string;

  /**
   * @param others namespaces with Checkpoints and restores, besides that of the team
   * @param more settings of the install
   */
  constructor(
    private readonly config: string,
    private readonly others: readonly string[] = [],
    private readonly names: Names = { name: "again", system: SYSTEM, team: TEAM },
    private readonly more: object = {},
  ) {
    this.api = new ApiServer(config);
    const { name, system, team } = names;
    this.node = `${name}-node`;
    this.checkpoints = `/apis/automation.cedana.ai/v1alpha1/namespaces/${team}/checkpoints`;
    this.pods = `/api/v1/namespaces/${team}/pods`;
    this.nodeRestores = `/apis/automation.cedana.ai/v1alpha1/namespaces/${system}/noderestores`;
  }

  /** @param prepare runs before the controllers start */
  async start(prepare: () => Promise<void> = async () => {}): Promise<void> {
    const { name: ownName, team, policies } = this.names;
    const namespaces = [team, ...this.others];
    const all = chart(this.names, namespaces, this.more);
    const [ports, metrics, health] = [await freePorts(2), await freePorts(2), await freePorts(2)];
    this.metricsPorts = metrics;
    this.endpoints = [...ports];
    const { port, server } = await balance(() => this.endpoints);
    this.balancer = server;
    this.objects = all
      .filter(
        ({ kind, metadata: { name } }) =>
          [...KINDS, "RuntimeClass"].includes(kind) ||
          (policies && kind.startsWith("ValidatingAdmissionPolicy")) ||
          OWN.some((suffix) => name.startsWith(`${ownName}-${suffix}`)),
      )
      .filter(({ kind }) => !["Deployment", "PodDisruptionBudget"].includes(kind))
      .map((object) =>
        object.kind === "MutatingWebhookConfiguration" ? withLocalUrl(object, port) : object,
      );
    for (const object of [
      ...namespaces.map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
      { apiVersion: "v1", kind: "Node", metadata: { name: this.node } },
      ...this.objects,
    ]) {
      const { status, body } = await this.api.apply(object);
      if (status >= 300) throw new Error(`${object.kind}/${object.metadata.name}: ${JSON.stringify(body)}`);
    }
    await eventually(
      30,
      "Checkpoints are served",
      async () => (await this.api.request("GET", this.checkpoints)).status === 200,
    );
    await prepare();
    const settings = settingsIn(all, ownName);
    const kubeconfig = await kubeconfigOf(this.api, {
      namespace: this.names.system,
      account: `${this.names.name}-controller`,
      from: this.config,
      folder: this.folder,
    });
    this.replicas = ports.map((port, index) => {
      const { restore } = settings;
      if (!restore) throw new Error("the install has no restore settings");
      const settingsOfReplica = { ...restore, port, dnsNames: [...restore.dnsNames, "localhost"] };
      const replica = { ...settings, gate: false, restore: settingsOfReplica } as const;
      return new ControllerProcess({
        kubeconfig,
        settings: replica,
        replica: `${ownName}-${index}`,
        folder: this.folder,
        ports: [metrics[index] ?? 0, health[index] ?? 0],
      });
    });
    await this.checkpoint("probe", { pod: "probe", owner: undefined, hash: "" });
    await eventually(60, `the webhook responds (${this.folder})`, async () => {
      const probe = pod("probe", { "cedana.ai/restore-from": "probe" }, { namespace: team });
      const { body } = await this.api.request<Pod>("POST", `${this.pods}?dryRun=All`, probe);
      return body.metadata?.annotations !== undefined && isPlanned(body);
    });
  }

  /** Stops a replica as Kubernetes does: the signal first, and some time later the Service has one endpoint less. */
  async evict(replica: ControllerProcess): Promise<void> {
    const stopped = replica.stop();
    await new Promise((resolve) => setTimeout(resolve, ENDPOINT_MS));
    const { restore } = replica.options.settings;
    this.endpoints = this.endpoints.filter((port) => restore && port !== restore.port);
    await stopped;
  }

  /** Starts a replica that has stopped. */
  restart(replica: ControllerProcess): ControllerProcess {
    const started = new ControllerProcess(replica.options);
    this.replicas = this.replicas.map((one) => (one === replica ? started : one));
    const { restore } = replica.options.settings;
    if (restore && !this.endpoints.includes(restore.port)) this.endpoints.push(restore.port);
    return started;
  }

  async stop(): Promise<void> {
    await Promise.all(this.replicas.map((one) => one.stop()));
    this.balancer?.close();
    for (const kind of ["deployments", "statefulsets"])
      await this.api.request("DELETE", `/apis/apps/v1/namespaces/${this.names.team}/${kind}`);
    await this.api.request("DELETE", `${this.pods}?gracePeriodSeconds=0`);
    for (const path of [this.checkpoints, this.nodeRestores, `/api/v1/nodes/${this.node}`])
      await this.api.request("DELETE", path);
    for (const object of this.objects.toReversed())
      if (!KINDS.includes(object.kind)) await this.api.delete(object);
    this.api.close();
  }

  /** Sends a request. @throws Error with the response if it failed */
  send<T = KubernetesObject>(...request: Parameters<ApiServer["send"]>): Promise<T> {
    return this.api.send<T>(...request);
  }

  async checkpoint(name: string, more: Parameters<typeof checkpointJson>[0] = {}): Promise<void> {
    const { metadata, status, ...rest } = checkpointJson({ name, ...more });
    await this.send("POST", this.checkpoints, { ...rest, metadata: { name: metadata.name } });
    const merge = { contentType: "application/merge-patch+json" };
    await this.send("PATCH", `${this.checkpoints}/${name}/status`, { status }, merge);
  }

  async restoreOf(name: string): Promise<Record<string, string> | undefined> {
    const path = `${this.checkpoints}/${name}`;
    return (await this.send<{ status: { restore?: Record<string, string> } }>("GET", path)).status.restore;
  }

  /** Returns the metrics of each replica, as text. */
  metrics(): Promise<string[]> {
    const read = async (port: number) => {
      const parts: Buffer[] = [];
      const response = await new Promise<AsyncIterable<Buffer>>((resolve, reject) => {
        get({ port, path: "/metrics", agent: false }, resolve).once("error", reject);
      });
      for await (const part of response) parts.push(part);
      return Buffer.concat(parts).toString();
    };
    return Promise.all(this.metricsPorts.map(read));
  }

  /** Binds a pod to the node, as the scheduler does. */
  async bind(pod: string): Promise<void> {
    await this.send("POST", `${this.pods}/${pod}/binding`, {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name: pod, namespace: this.names.team },
      target: { apiVersion: "v1", kind: "Node", name: this.node },
    });
  }

  /** Waits for the NodeRestore of a pod, and reports its outcome as the agent of the node does. @returns its spec */
  async reportRestore(podUID: string, reason: NodeRestoreReason, message: string): Promise<object> {
    const path = `${this.nodeRestores}/${podUID}`;
    await eventually(
      20,
      "the restore is requested",
      async () => (await this.api.request("GET", path)).status === 200,
    );
    const { spec } = await this.send<{ spec: object }>("GET", path);
    const now = new Date().toISOString();
    const holds = NODE_RESTORE_CONDITION[reason];
    const conditions = conditionsOf({ holds, reason, message, observedGeneration: 1, before: [], now });
    const merge = { contentType: "application/merge-patch+json" };
    await this.send("PATCH", `${path}/status`, { status: { conditions, completionTime: now } }, merge);
    return spec;
  }

  async podsOf(label: string): Promise<Pod[]> {
    return (await this.send<{ items: Pod[] }>("GET", `${this.pods}?labelSelector=${label}`)).items;
  }

  /** Returns the events of a pod that exists, not those of earlier ones of its name. */
  async events(name: string): Promise<string[]> {
    const { metadata } = await this.send<Pod>("GET", `${this.pods}/${name}`);
    const path = `/apis/events.k8s.io/v1/namespaces/${this.names.team}/events`;
    const { items } = await this.send<{
      items: { regarding: { uid: string }; reason: string; note: string }[];
    }>("GET", path);
    return items
      .filter(({ regarding, reason }) => regarding.uid === metadata.uid && reason.startsWith("Restore"))
      .map(({ reason, note }) => `${reason}: ${note}`);
  }
}

/** Kinds that are not deleted: other suites use them, or their deletion takes long. */
const KINDS = ["Namespace", "CustomResourceDefinition"];

/** How the names of objects begin that belong to the controller and to restores. */
const OWN = ["controller", "restore", "sandbox", "checkpoint-policies"];

function chart({ name, system }: Names, namespaces: readonly string[], more: object): KubernetesObject[] {
  const install = {
    name,
    namespace: system,
    nodeSelector: { [`${name}/enabled`]: "true" },
    checkpoints: { namespaces: [...namespaces] },
    controller: { image: { repository: "registry.example.com/controller", tag: "0.1.0" } },
    ...more,
  };
  const engine = {
    image: { repository: "registry.example.com/node-agent", tag: "0.1.0" },
    repository: "registry.example.com/checkpoints",
    runtimeClasses: classesOf(name),
  };
  return new CedanaChart(Testing.app(), name, { engine, install }).toJson() as KubernetesObject[];
}

/** Replaces the Service of the webhook, which cannot reach this machine, by a URL. */
function withLocalUrl(configuration: KubernetesObject, port: number): KubernetesObject {
  const [webhook] = configuration["webhooks"] as object[];
  return {
    ...configuration,
    webhooks: [{ ...webhook, clientConfig: { url: `https://localhost:${port}/restore` } }],
  };
}

function settingsIn(objects: readonly KubernetesObject[], name: string): ControllerSettings {
  const map = objects.find(({ metadata }) => metadata.name === `${name}-controller-settings`);
  const { "settings.json": text = "" } = (map?.["data"] ?? {}) as Record<string, string>;
  const read = readControllerSettings(text);
  if (read.problems) throw new Error("the settings cannot be read");
  return read.value;
}

/** Forwards each connection to the next of the ports, as a Service does. */
function balance(
  ports: () => readonly number[],
): Promise<{ readonly port: number; readonly server: Server }> {
  let next = 0;
  const server = createServer((from: Socket) => {
    const all = ports();
    const to = connect(all[next++ % all.length] ?? 0, "127.0.0.1");
    for (const socket of [from, to]) socket.on("error", () => [from, to].forEach((one) => one.destroy()));
    from.pipe(to).pipe(from);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve({ port: (server.address() as AddressInfo).port, server }));
  });
}

async function freePorts(count: number): Promise<number[]> {
  const all = await Promise.all(Array.from({ length: count }, () => balance(() => [])));
  for (const { server } of all) server.close();
  return all.map(({ port }) => port);
}

/** Returns the RuntimeClasses of an install. */
function classesOf(name: string) {
  return { amd64: `${name}-amd64`, arm64: `${name}-arm64` };
}
