/** The install of the API server suites, with all optional features. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Testing } from "cdk8s";
import { parseAllDocuments } from "yaml";
import type { InstallSpec } from "../../../config";
import { CedanaChart } from "../../../stacks/kubernetes";
import { eventually, kubeconfig, type ApiServer, type KubernetesObject } from "./apiserver";

const engine = {
  kind: "cedana" as const,
  clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
  url: "https://sandbox.cedana.ai",
};
const INSTALL: InstallSpec = {
  manager: {
    metrics: { readers: [{ namespace: "monitoring", name: "prometheus" }] },
    workloadNamespaces: ["default", "team-a"],
  },
  attachAccount: { tokenRequesters: [{ kind: "User", name: "platform-engineer" }] },
  kueue: { localQueues: [{ namespace: "team-a" }] },
  dynamoWatcher: { namespaces: ["team-a"] },
  networkPolicies: { allowIngressFromNamespaces: [{ "kubernetes.io/metadata.name": "monitoring" }] },
  helper: { affinity: { nodeAffinity: {} } },
};

/** Path of the kubeconfig; undefined if there is no cluster and CEDANA_INTEGRATION_ALLOW_MISSING=1. */
export const config = kubeconfig();
/** Directory with the CRDs of Kueue; empty if it is not set and CEDANA_INTEGRATION_ALLOW_MISSING=1. */
export const crdDirectory = process.env["CEDANA_INTEGRATION_CRDS"];
if (config !== undefined && !crdDirectory && process.env["CEDANA_INTEGRATION_ALLOW_MISSING"] !== "1") {
  throw new Error(
    "CEDANA_INTEGRATION_CRDS is not set: it must name a directory with the CustomResourceDefinitions of Kueue 0.16 or later (kueue.x-k8s.io_*.yaml, from config/components/crd/bases of its sources); or set CEDANA_INTEGRATION_ALLOW_MISSING=1.",
  );
}

export const synth = (install: InstallSpec): KubernetesObject[] =>
  new CedanaChart(Testing.app(), "cedana", { engine, install }).toJson() as KubernetesObject[];
export const objects = synth(crdDirectory ? INSTALL : { ...INSTALL, kueue: false });
export const find = (identity: string): KubernetesObject => {
  const found = objects.find(({ kind, metadata }) => `${kind}/${metadata.name}` === identity);
  if (!found) throw new Error(`the install has no ${identity}`);
  return found;
};
export const namespace = (name: string, labels = {}): KubernetesObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels },
});

/** Applies an object. @throws Error with the response if the API server rejects it */
export async function apply(api: ApiServer, object: KubernetesObject): Promise<KubernetesObject> {
  const { status, body } = await api.apply(object);
  if (status >= 300) throw new Error(`${object.kind}/${object.metadata.name}: ${JSON.stringify(body)}`);
  return body;
}

/** Creates the namespaces of workloads, and Kueue's CRDs. */
export async function prepare(api: ApiServer): Promise<void> {
  for (const name of ["team-a", "monitoring"]) await apply(api, namespace(name));
  if (crdDirectory) await installKueueCrds(api, crdDirectory);
}

async function installKueueCrds(api: ApiServer, folder: string): Promise<void> {
  for (const file of readdirSync(folder).filter((name) => name.startsWith("kueue."))) {
    for (const document of parseAllDocuments(readFileSync(join(folder, file), "utf8"))) {
      const object = document.toJS() as KubernetesObject & { spec?: { conversion?: object } };
      if (object.kind !== "CustomResourceDefinition") continue;
      // Kueue, which serves the conversion webhook, does not run here.
      if (object.spec) object.spec.conversion = { strategy: "None" };
      await apply(api, object);
    }
  }
  await eventually(30, "Kueue's kinds are served", async () => {
    const { body } = await api.request<{ resources?: unknown[] }>("GET", "/apis/kueue.x-k8s.io/v1beta2");
    return (body.resources?.length ?? 0) >= 6;
  });
}
