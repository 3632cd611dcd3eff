/** Policies for a suite on the real API server: controllers as processes, with the permissions of the install. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Testing } from "cdk8s";
import type { NodeMemoryWatchSpec, NodeMemoryWatchStatus } from "../../../api";
import type { InstallSpec } from "../../../config";
import { readControllerSettings, type ControllerSettings } from "../../../config/programs/controller";
import { CedanaChart } from "../../../stacks/kubernetes";
import { eventually, type ApiServer, type KubernetesObject } from "../../../testbed/cluster/apiserver";
import { ControllerProcess } from "../../../testbed/cluster/process";
import { ManagerServer } from "../../support/manager-server";
import { kubeconfigOf, leaderOf } from "./account";
import { apply, namespace } from "./apiserver-install";

const GROUP = "/apis/automation.cedana.ai/v1alpha1";
const MERGE = { contentType: "application/merge-patch+json" };

export interface PolicyCheckpoint extends KubernetesObject {
  readonly metadata: KubernetesObject["metadata"] & { readonly annotations: Record<string, string> };
  readonly spec: { readonly podRef: { readonly name: string } };
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
}

export interface PolicyStatusObject {
  readonly matchedPods?: number;
  readonly waiting?: number;
  readonly inFlight?: number;
  readonly conditions?: readonly { type: string; status: string; reason: string; message: string }[];
}

export interface MemoryWatchObject {
  readonly metadata: { readonly generation: number };
  readonly spec: NodeMemoryWatchSpec;
  readonly status?: NodeMemoryWatchStatus;
}

/** Two controllers, one namespace of pods, one Node, and a test double of the manager that takes the checkpoints. */
export class PoliciesInstall {
  readonly folder = mkdtempSync(join(tmpdir(), "cedana-policies-"));
  readonly system: string;
  readonly team: string;
  readonly node: string;
  private manager?: ManagerServer;
  private objects: readonly KubernetesObject[] = [];
  private replicas: ControllerProcess[] = [];

  /** @param name prefix of all names in the cluster */
  constructor(
    readonly api: ApiServer,
    readonly name: string,
  ) {
    [this.system, this.team, this.node] = [`${name}-system`, `${name}-team`, `${name}-node`];
  }

  /** @param platform test double of the platform, and file with its token. Default: the settings of the install */
  async start(
    policies: NonNullable<Exclude<InstallSpec["policies"], false>> = {},
    platform?: { readonly url: string; readonly tokenFile: string },
  ): Promise<void> {
    const { api, name, system, team } = this;
    this.manager = await ManagerServer.start();
    const image = { repository: "registry.example.com/controller", tag: "0.1.0" };
    const all = new CedanaChart(Testing.app(), name, {
      engine: {
        kind: "cedana",
        clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
        url: "https://example.com",
      },
      install: {
        name,
        namespace: system,
        controller: { image },
        checkpoints: { namespaces: [team] },
        policies,
      },
    }).toJson() as KubernetesObject[];
    this.objects = all.filter(
      ({ kind, metadata }) =>
        ["Namespace", "CustomResourceDefinition"].includes(kind) ||
        (new RegExp(`^${name}-(controller|checkpoint)`).test(metadata.name) &&
          !["Deployment", "PodDisruptionBudget"].includes(kind)),
    );
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: this.node } };
    for (const object of [namespace(team), node, ...this.objects]) await apply(api, object);
    for (const path of [`${GROUP}/namespaces/${team}/checkpoints`, this.policies])
      await eventually(30, `${path} is served`, async () => (await api.request("GET", path)).status === 200);
    const derived = settingsIn(all, `${name}-controller-settings`, this.manager.url);
    const settings =
      platform && derived.policies && derived.policies.platform
        ? {
            ...derived,
            policies: { ...derived.policies, platform: { ...derived.policies.platform, ...platform } },
          }
        : derived;
    const kubeconfig = await kubeconfigOf(api, {
      namespace: system,
      account: `${name}-controller`,
      from: process.env["CEDANA_INTEGRATION_KUBECONFIG"] ?? "",
      folder: this.folder,
    });
    this.replicas = ["a", "b"].map(
      (replica) =>
        new ControllerProcess({ kubeconfig, settings, replica: `${name}-${replica}`, folder: this.folder }),
    );
    await this.leader();
  }

  async stop(): Promise<void> {
    const { api, team } = this;
    await Promise.all(this.replicas.map((one) => one.stop()));
    for (const path of [this.policies, `${GROUP}/namespaces/${team}/checkpoints`])
      await api.request("DELETE", path);
    await api.request("DELETE", `/apis/apps/v1/namespaces/${team}/deployments`);
    await api.request("DELETE", `/api/v1/namespaces/${team}/pods?gracePeriodSeconds=0`);
    await api.request("DELETE", `/api/v1/nodes/${this.node}`);
    for (const object of this.objects.toReversed())
      if (!["Namespace", "CustomResourceDefinition"].includes(object.kind)) await api.delete(object);
    await this.manager?.stop();
  }

  get policies(): string {
    return `${GROUP}/namespaces/${this.team}/checkpointpolicies`;
  }

  /** @throws Error with the response if the API server rejects it */
  send<T = KubernetesObject>(...request: Parameters<ApiServer["send"]>): Promise<T> {
    return this.api.send<T>(...request);
  }

  policy(name: string, spec: object): Promise<KubernetesObject> {
    return this.send("POST", this.policies, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "CheckpointPolicy",
      metadata: { name },
      spec: { action: { checkpoint: {} }, ...spec },
    });
  }

  async statusOf(policy: string): Promise<PolicyStatusObject> {
    const { status = {} } = await this.send<{ status?: PolicyStatusObject }>(
      "GET",
      `${this.policies}/${policy}`,
    );
    return status;
  }

  /** Returns the Checkpoints of a policy. */
  async taken(policy: string): Promise<PolicyCheckpoint[]> {
    const path = `${GROUP}/namespaces/${this.team}/checkpoints?labelSelector=cedana.ai/policy=${policy}`;
    return (await this.send<{ items: PolicyCheckpoint[] }>("GET", path)).items;
  }

  /** Returns the NodeMemoryWatches. */
  async memoryWatches(): Promise<MemoryWatchObject[]> {
    const path = `${GROUP}/namespaces/${this.system}/nodememorywatches`;
    return (await this.send<{ items: MemoryWatchObject[] }>("GET", path)).items;
  }

  /** Creates a Deployment on the node. @returns the names of its pods, which are not Ready */
  async deployment(name: string, replicas: number, container: object = {}): Promise<string[]> {
    const labels = { set: name };
    await this.send("POST", `/apis/apps/v1/namespaces/${this.team}/deployments`, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { nodeName: this.node, containers: [{ name: "app", image: "app:1", ...container }] },
        },
      },
    });
    const path = `/api/v1/namespaces/${this.team}/pods?labelSelector=set=${name}`;
    const named = async () =>
      (await this.send<{ items: KubernetesObject[] }>("GET", path)).items.map(
        ({ metadata }) => metadata.name,
      );
    await eventually(40, "the Deployment has its pods", async () => (await named()).length === replicas);
    return named();
  }

  /** Writes the status of a pod as the kubelet does. @param readySince undefined: not Ready */
  setRunning(pod: string, readySince?: Date): Promise<KubernetesObject> {
    const status = readySince === undefined ? "False" : "True";
    const ready = { type: "Ready", status, lastTransitionTime: (readySince ?? new Date()).toISOString() };
    const path = `/api/v1/namespaces/${this.team}/pods/${pod}/status`;
    return this.send("PATCH", path, { status: { phase: "Running", conditions: [ready] } }, MERGE);
  }

  /** Returns the process that holds the Lease. */
  async leader(): Promise<ControllerProcess> {
    return leaderOf(
      this.api,
      { namespace: this.system, lease: `${this.name}-controller` },
      () => this.replicas,
    );
  }

  /** Kills the leader, and starts another replica. */
  async killLeader(): Promise<void> {
    const killed = await this.leader();
    killed.kill("SIGKILL");
    await killed.ended;
    this.replicas = this.replicas.filter((one) => one !== killed);
    this.replicas.push(
      new ControllerProcess({ ...killed.options, replica: `${killed.options.replica}-again` }),
    );
  }
}

export function isReady({ status }: Pick<PolicyCheckpoint, "status">): boolean {
  return status?.conditions?.some(({ type, status: holds }) => type === "Ready" && holds === "True") ?? false;
}

/** Returns the settings of the install, with the test double as the manager and without the readiness gate. */
export function settingsIn(
  objects: readonly KubernetesObject[],
  name: string,
  url: string,
): ControllerSettings {
  const map = objects.find(({ metadata }) => metadata.name === name);
  const { "settings.json": text = "" } = (map?.["data"] ?? {}) as Record<string, string>;
  const read = readControllerSettings(text);
  if (read.problems) throw new Error("the settings cannot be read");
  const { checkpoints } = read.value;
  if (!checkpoints || !("manager" in checkpoints)) throw new Error("the engine has no manager");
  const settings = { ...checkpoints, manager: { ...checkpoints.manager, url } };
  return { ...read.value, gate: false, checkpoints: settings };
}
