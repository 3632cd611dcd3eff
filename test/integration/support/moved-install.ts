/** An install with the engine criu on a real API server, as rendered or as Kustomize has moved it, without its pods. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Testing } from "cdk8s";
import { parseAllDocuments, stringify } from "yaml";
import { CedanaChart } from "../../../stacks/kubernetes";
import { eventually, type ApiServer, type KubernetesObject } from "../../../testbed/cluster/apiserver";

const KUBECTL = process.env["CEDANA_INTEGRATION_KUBECTL"] ?? "kubectl";
export const NAME = "fence";
export const NAMESPACE = "fence-system";
export const REPOSITORY = "registry.example.com/fence/checkpoints";
const image = (name: string) => ({ repository: `registry.example.com/${name}`, tag: "0.1.0" });

/** What Kustomize changes: the fields of a kustomization. */
export interface Move {
  readonly namespace?: string;
  readonly namePrefix?: string;
  readonly nameSuffix?: string;
}

/** Kinds of the objects that decide what an account may do. */
const KINDS =
  /^(Namespace|CustomResourceDefinition|ServiceAccount|(Cluster)?Role(Binding)?|ValidatingAdmissionPolicy(Binding)?|MutatingWebhookConfiguration)$/;

export function rendered(): KubernetesObject[] {
  const chart = new CedanaChart(Testing.app(), "fence", {
    engine: { kind: "criu", image: image("agent"), repository: REPOSITORY },
    install: {
      name: NAME,
      namespace: NAMESPACE,
      checkpoints: { namespaces: "all" },
      controller: { image: image("controller") },
    },
  });
  return chart.toJson() as KubernetesObject[];
}

function kustomize(objects: readonly KubernetesObject[], move: Move): KubernetesObject[] {
  const dir = mkdtempSync(join(tmpdir(), "cedana-move-"));
  try {
    writeFileSync(join(dir, "all.yaml"), objects.map((one) => stringify(one)).join("---\n"));
    writeFileSync(join(dir, "kustomization.yaml"), stringify({ ...move, resources: ["all.yaml"] }));
    const text = execFileSync(KUBECTL, ["kustomize", dir], { encoding: "utf8", maxBuffer: 1 << 26 });
    return parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

interface Pod extends KubernetesObject {
  readonly metadata: KubernetesObject["metadata"] & { readonly uid: string };
}

export class MovedInstall {
  readonly namespace: string;
  readonly objects: readonly KubernetesObject[];
  private readonly pods = new Map<string, Pod>();

  constructor(
    readonly api: ApiServer,
    readonly move: Move | undefined,
  ) {
    this.namespace = move?.namespace ?? NAMESPACE;
    const all = rendered();
    this.objects = (move ? kustomize(all, move) : all).filter(({ kind }) => KINDS.test(kind));
  }

  /** Name of an account of the install after the move. */
  account(name: string): string {
    return `${this.move?.namePrefix ?? ""}${NAME}-${name}${this.move?.nameSuffix ?? ""}`;
  }

  get webhook(): KubernetesObject {
    const found = this.objects.find(({ kind }) => kind === "MutatingWebhookConfiguration");
    if (!found) throw new Error("the install has no webhook");
    return found;
  }

  user(name: string): string {
    return `system:serviceaccount:${this.namespace}:${this.account(name)}`;
  }

  async start(): Promise<void> {
    for (const object of this.objects) {
      const { status, body } = await this.api.apply(object);
      if (status >= 300)
        throw new Error(`${object.kind}/${object.metadata.name}: ${status} ${JSON.stringify(body)}`);
    }
    await eventually(20, "the kinds are served", async () => {
      const { status } = await this.api.request("GET", "/apis/automation.cedana.ai/v1alpha1/noderestores");
      return status === 200;
    });
  }

  async stop(): Promise<void> {
    // No kubelet ends them.
    await this.api.request("DELETE", `/api/v1/namespaces/${this.namespace}/pods?gracePeriodSeconds=0`);
    for (const object of this.objects.toReversed())
      if (object.kind !== "CustomResourceDefinition") await this.api.delete(object);
    await eventually(60, "the namespace is deleted", async () => {
      return (await this.api.request("GET", `/api/v1/namespaces/${this.namespace}`)).status === 404;
    });
  }

  /** Creates a pod of an account on a node, and requests a token as its kubelet does. */
  async tokenOn(account: string, node: string): Promise<string> {
    const pod = await this.podOn(account, node);
    const { name, uid } = pod.metadata;
    const { status, body } = await this.api.request<{ status: { token: string } }>(
      "POST",
      `/api/v1/namespaces/${this.namespace}/serviceaccounts/${this.account(account)}/token`,
      {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { expirationSeconds: 600, boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid } },
      },
    );
    if (status !== 201) throw new Error(JSON.stringify(body));
    return body.status.token;
  }

  async podOn(account: string, node: string): Promise<Pod> {
    const name = `${account}-${node}`;
    const existing = this.pods.get(name);
    if (existing) return existing;
    const { status, body } = await this.api.request<Pod>(
      "POST",
      `/api/v1/namespaces/${this.namespace}/pods`,
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: this.namespace },
        spec: {
          nodeName: node,
          serviceAccountName: this.account(account),
          containers: [{ name: "a", image: "a:1" }],
        },
      },
    );
    if (status !== 201) throw new Error(JSON.stringify(body));
    this.pods.set(name, body);
    return body;
  }
}
