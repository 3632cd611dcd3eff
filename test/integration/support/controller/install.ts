/** An install with a controller, with other names, namespaces and nodes than the install of the other suites. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { InstallSpec } from "../../../../config";
import { eventually, type ApiServer, type KubernetesObject } from "../../../../testbed/cluster/apiserver";
import { crdDirectory, namespace, apply, synth } from "../apiserver-install";
import { kubeconfigOf } from "../account";

export const NAMESPACE = "guard-system";
export const AGENTS = "guard-agent";
export const ACCOUNT = `system:serviceaccount:${NAMESPACE}:guard-controller`;
/** Namespace of the checkpoints. */
export const TEAM = "guard-team";

/** A taint that only nodes of this install have. */
export const TAINT = "guard.example.com/not-ready";

const INSTALL: InstallSpec = {
  name: "guard",
  namespace: NAMESPACE,
  agentNamespace: AGENTS,
  checkpoints: { namespaces: [TEAM] },
  controller: {
    image: { repository: "registry.example.com/cedana-controller", tag: "0.1.0" },
    metrics: { allowFromNamespaces: [{ "kubernetes.io/metadata.name": "monitoring" }] },
  },
  readinessGate: { retaint: {}, failOpenAfterSeconds: 3600 },
};

/** Returns the objects of the install, in their order. */
export const installObjects = (more: InstallSpec = {}): KubernetesObject[] =>
  synth({ ...INSTALL, ...more }, { runtimeClass: false, manager: { workloadNamespaces: [TEAM] } });

export async function applyInstall(api: ApiServer, objects: readonly KubernetesObject[]): Promise<void> {
  await apply(api, namespace(TEAM));
  for (const object of objects) await apply(api, object);
}

/** Deletes the objects, except namespaces, which takes long, and CRDs, which other suites use. */
export async function deleteInstall(api: ApiServer, objects: readonly KubernetesObject[]): Promise<void> {
  for (const object of objects.toReversed()) {
    if (!["CustomResourceDefinition", "Namespace"].includes(object.kind)) await api.delete(object);
  }
}

/** Writes a kubeconfig with a token of the controller's ServiceAccount. @returns its path */
export function controllerKubeconfig(api: ApiServer, from: string, folder: string): Promise<string> {
  return kubeconfigOf(api, { namespace: NAMESPACE, account: "guard-controller", from, folder });
}

/** Installs the CRD NodeReadinessRule. @returns false if there is no directory of CRDs */
export async function installRuleCrd(api: ApiServer): Promise<boolean> {
  if (!crdDirectory) return false;
  const file = join(crdDirectory, "readiness.node.x-k8s.io_nodereadinessrules.yaml");
  await apply(api, parse(readFileSync(file, "utf8")) as KubernetesObject);
  await eventually(20, "NodeReadinessRules are served", async () => {
    const { status } = await api.request("GET", "/apis/readiness.node.x-k8s.io/v1alpha1/nodereadinessrules");
    return status === 200;
  });
  return true;
}
