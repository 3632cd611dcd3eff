/** What the webhook and the policies of restores share. */
import { agentNamespace, type ResolvedInstall } from "../../../config/install";
import { AUTOMATION_GROUP, LATEST, RESTORE_VERB } from "../../../api";
import { list } from "../admission";

/** Namespaces of Kubernetes itself. Their pods must not depend on this webhook. */
const SYSTEM = ["kube-system", "kube-node-lease", "kube-public"];

/**
 * Returns the webhook's selector of namespaces whose pods can be restored. Excludes the namespaces of the install: their pods must start
 * before the webhook responds.
 */
export function namespaceSelector(install: ResolvedInstall, namespaces: "all" | readonly string[]) {
  const own = [install.namespace, agentNamespace(install)];
  const key = "kubernetes.io/metadata.name";
  const expression =
    namespaces === "all"
      ? { key, operator: "NotIn", values: [...new Set([...SYSTEM, ...own])] }
      : { key, operator: "In", values: namespaces.filter((name) => !own.includes(name)) };
  return { matchExpressions: [expression] };
}

/** Controllers of Kubernetes that create pods from templates. The author of the template was checked. */
const WORKLOAD_CONTROLLERS = [
  "cronjob-controller",
  "daemon-set-controller",
  "deployment-controller",
  "job-controller",
  "replicaset-controller",
  "replication-controller",
  "statefulset-controller",
];

const KUBERNETES = list([
  "system:kube-controller-manager",
  ...WORKLOAD_CONTROLLERS.map((name) => `system:serviceaccount:kube-system:${name}`),
]);

/** Tests whether one of Kubernetes' controllers sent the request. */
export const BY_KUBERNETES = `request.userInfo.username in ${KUBERNETES}`;

/**
 * Returns a test whether the user has the permission on the named Checkpoint, or on all Checkpoints of the namespace.
 * @param from CEL of the value of the annotation `restore-from`
 */
export function mayRestore(from: string): string {
  return [
    `authorizer.group('${AUTOMATION_GROUP}').resource('checkpoints').namespace(request.namespace)`,
    `.name(${from} == '${LATEST}' ? '' : ${from}).check('${RESTORE_VERB}').allowed()`,
  ].join("");
}
