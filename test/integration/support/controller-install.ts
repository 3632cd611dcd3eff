/** An install with a controller, beside the one of the other suites: names, namespaces and nodes of its own. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { InstallSpec } from "../../../config";
import { eventually, type ApiServer, type KubernetesObject } from "./apiserver";
import { definitions, namespace, put, synth } from "./apiserver-install";

export const NAMESPACE = "guard-system";
export const AGENTS = "guard-agent";
export const ACCOUNT = `system:serviceaccount:${NAMESPACE}:guard-controller`;
/** Namespace of the checkpoints. */
export const TEAM = "guard-team";

/** A taint that no other suite's nodes have. */
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

/** Objects of the install, in their order. */
export const guard = (more: InstallSpec = {}): KubernetesObject[] =>
  synth({ ...INSTALL, ...more }, { runtimeClass: false, manager: { workloadNamespaces: [TEAM] } });

export async function putGuard(api: ApiServer, objects: readonly KubernetesObject[]): Promise<void> {
  await put(api, namespace(TEAM));
  for (const object of objects) await put(api, object);
}

/** Takes the objects away, but not namespaces, whose end takes long, nor kinds, which other suites have as well. */
export async function removeGuard(api: ApiServer, objects: readonly KubernetesObject[]): Promise<void> {
  for (const object of objects.toReversed()) {
    if (!["CustomResourceDefinition", "Namespace"].includes(object.kind)) await api.delete(object);
  }
}

/** A kubeconfig by which a program acts as the controller's account, with a token of it. @returns its path */
export async function actAsController(api: ApiServer, from: string, folder: string): Promise<string> {
  const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/guard-controller/token`;
  const { body } = await api.request<{ status: { token: string } }>("POST", path, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 3600 },
  });
  const config = parse(readFileSync(from, "utf8")) as { users: { user: object }[] };
  const users = config.users.map((user) => ({ ...user, user: { token: body.status.token } }));
  const file = join(folder, "kubeconfig");
  writeFileSync(file, JSON.stringify({ ...config, users }), { mode: 0o600 });
  return file;
}

/** Defines the kind NodeReadinessRule. @returns false where its definition may be missing, and is */
export async function defineRules(api: ApiServer): Promise<boolean> {
  if (!definitions) return false;
  const file = join(definitions, "readiness.node.x-k8s.io_nodereadinessrules.yaml");
  await put(api, parse(readFileSync(file, "utf8")) as KubernetesObject);
  await eventually(20, "NodeReadinessRules are served", async () => {
    const { status } = await api.request("GET", "/apis/readiness.node.x-k8s.io/v1alpha1/nodereadinessrules");
    return status === 200;
  });
  return true;
}
