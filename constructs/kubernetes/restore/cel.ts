/** What the webhook and the policies ask in the words of CEL. */
import { AUTOMATION_GROUP, LATEST, RESTORE_VERB } from "../../../api";

/** Controllers of Kubernetes, which make pods of templates: whoever wrote the template was asked. */
const WORKLOAD_CONTROLLERS = [
  "cronjob-controller",
  "daemon-set-controller",
  "deployment-controller",
  "job-controller",
  "replicaset-controller",
  "replication-controller",
  "statefulset-controller",
];

export const list = (texts: readonly string[]) => `[${texts.map((text) => `'${text}'`).join(", ")}]`;

const KUBERNETES = list([
  "system:kube-controller-manager",
  ...WORKLOAD_CONTROLLERS.map((name) => `system:serviceaccount:kube-system:${name}`),
]);

/** Whether one of Kubernetes' own controllers asks. */
export const BY_KUBERNETES = `request.userInfo.username in ${KUBERNETES}`;

/**
 * Whether whoever asks has the right: on the one Checkpoint that is named, or on all of the namespace.
 * @param from CEL of what the pod is to be restored from
 */
export function mayRestore(from: string): string {
  return [
    `authorizer.group('${AUTOMATION_GROUP}').resource('checkpoints').namespace(request.namespace)`,
    `.name(${from} == '${LATEST}' ? '' : ${from}).check('${RESTORE_VERB}').allowed()`,
  ].join("");
}
