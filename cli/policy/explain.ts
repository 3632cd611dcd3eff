import {
  CLUSTER_POLICY,
  POLICY,
  previewPolicy,
  toPolicy,
  type PolicyObject,
} from "../../controller/policies/preview";
import type { Client } from "../../kube/client";
import { clusterError, connect, type ClusterOptions } from "../cluster";
import { CommandError, EXIT } from "../errors";
import { kubectl } from "../shell";
import { policyReport, policyReportText, type PolicyReport } from "./explain-report";
import { listPods } from "./read";

export interface ExplainPolicyOptions extends ClusterOptions {
  /** Namespace of a CheckpointPolicy. Undefined: a ClusterCheckpointPolicy. */
  readonly namespace?: string;
  readonly output: "text" | "json";
}

/**
 * Explains what a policy of a cluster does, and why.
 * @returns exit code 1 if it checkpoints no pod, or its last action failed
 * @throws CommandError (exit code 2) for the kubeconfig, or a policy that does not exist
 */
export async function explainPolicy(name: string, options: ExplainPolicyOptions, nowMs: number) {
  const client = await connect(options);
  const report = await reportOf(client, name, options, nowMs).catch(clusterError);
  const text = options.output === "json" ? `${JSON.stringify(report, null, 2)}\n` : policyReportText(report);
  const works = ["scheduled", "waiting", "mirrored"].includes(report.verdict);
  return { text, exitCode: works ? EXIT.ok : EXIT.differs };
}

/**
 * Reads a policy, the pods of its scope and the namespaces, by GET requests.
 * @throws CommandError if there is no such policy
 */
export async function reportOf(
  client: Client,
  name: string,
  { namespace, ...options }: ExplainPolicyOptions,
  nowMs: number,
): Promise<PolicyReport> {
  const kind = namespace === undefined ? CLUSTER_POLICY : POLICY;
  const object = await client.get<PolicyObject>(kind, {
    name,
    ...(namespace === undefined ? {} : { namespace }),
  });
  if (!object) {
    const remedy =
      namespace === undefined
        ? "for a CheckpointPolicy, add -n NAMESPACE"
        : "for a ClusterCheckpointPolicy, leave out -n";
    const title = `${kind.kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
    throw new CommandError(`the cluster has no ${title}; ${remedy}`, EXIT.badInput);
  }
  const { pods, labels } = await listPods(client, namespace);
  const preview = previewPolicy(toPolicy(object, nowMs), pods, (one) => labels.get(one) ?? {}, nowMs);
  return policyReport(kind.kind, object, preview, kubectl(options));
}
