import { previewPolicy } from "../../controller/policies/preview";
import { clusterError, connect, type ClusterOptions } from "../cluster";
import { CommandError, EXIT } from "../errors";
import { listPods, readPods, readPolicies, type FilePolicy } from "./read";
import { reconciledOf } from "./retention";
import { previewText, type PolicyTest } from "./text";

/**
 * Evaluates the policies of a file for the pods of another one, or of a cluster.
 * @returns exit code 1 if a policy is never due, or works on pods and matches none
 * @throws CommandError (exit code 2) for the files or the kubeconfig
 */
export async function testPolicies(
  options: ClusterOptions & {
    readonly file: string;
    readonly pods?: string;
    readonly output: "text" | "json";
  },
  nowMs: number,
): Promise<{ readonly text: string; readonly exitCode: number }> {
  const { policies, namespaces } = readPolicies(options.file);
  const withCheckpoints = policies.some(({ spec }) => "deleteCheckpoints" in spec.action);
  const { pods, labels, retention } =
    options.pods === undefined
      ? await listPods(await connect(options), onlyNamespace(policies), withCheckpoints).catch(clusterError)
      : readPods(options.pods, withCheckpoints);
  const isReconciled = (namespace: string) => namespaces === "all" || namespaces.includes(namespace);
  const labelsOf = (namespace: string) => {
    const known = labels.get(namespace);
    if (known || options.pods === undefined) return known ?? {};
    throw new Error(`${options.pods} has no Namespace ${namespace}`);
  };
  const reconciled = pods.filter(({ namespace }) => isReconciled(namespace));
  // Without the labels, it is not known what the policy selects.
  const labelsOfCheckpoints = (namespace: string) => {
    try {
      return labelsOf(namespace);
    } catch (error) {
      const message = `${(error as Error).message}, whose labels filter.namespaceSelector needs`;
      throw new CommandError(message, EXIT.badInput);
    }
  };
  const objects = retention && reconciledOf(retention, isReconciled, labelsOfCheckpoints);
  const results = policies.map((policy): PolicyTest => {
    const preview = previewPolicy(policy, reconciled, labelsOf, nowMs, objects);
    const { kind, namespace, name } = policy;
    return {
      kind,
      ...(namespace === undefined ? {} : { namespace }),
      name,
      matched: preview.pods.filter(({ matches }) => matches).length,
      ...preview,
      ...(preview.retention && retention?.absent.length ? { absent: retention.absent } : {}),
    };
  });
  const text =
    options.output === "json"
      ? `${JSON.stringify({ policies: results }, null, 2)}\n`
      : results.map((one) => `${previewText(one)}\n`).join("\n");
  return {
    text,
    exitCode: results.every(isUseful) ? EXIT.ok : EXIT.differs,
  };
}

function isUseful({ problem, worksOn, pods }: PolicyTest): boolean {
  return !problem && (worksOn !== undefined || pods.some((pod) => pod.matches && pod.neverDue === undefined));
}

/** Returns the namespace of all policies; undefined if they have several, or one selects namespaces. */
function onlyNamespace(policies: readonly FilePolicy[]): string | undefined {
  const [first, ...others] = new Set(policies.map(({ namespace }) => namespace));
  return others.length === 0 ? first : undefined;
}
