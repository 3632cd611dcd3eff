import {
  CHECKPOINT_POLICY,
  CLUSTER_CHECKPOINT_POLICY,
  type CheckpointPolicySpec,
  type ClusterCheckpointPolicySpec,
  type Kind,
  type PolicySpec,
  type Schema,
} from "../../api";
import { compilePodExpression, formatExpressionProblem } from "../cel";
import { check, derived, described, dnsLabel, integer, oneOf, shape } from "../schema";
import { checkAction, policyActionsSchema } from "./policy-actions";
import { checkDestination, checkNotify, policyNotifySchema } from "./policy-notify";
import { checkExecutor, policyPlatformSchema } from "./policy-platform";
import { checkWebhookTrigger, policyWebhookSchema } from "./policy-webhook";
import { printable, under, type Problem, type PropertyPath } from "../schema/problem";
import { structuralEntries, type StructuralInput, withRules } from "../schema/structural";
import { isToken } from "../schema/rule";
import * as v from "../schema/valibot";
import { checkVerify, verifySchema } from "./verify";

function specOf({ schema, kind }: Kind): Schema {
  const spec = schema.properties?.["spec"];
  if (spec === undefined) throw new Error(`kind ${kind} has no spec`);
  return spec;
}

const name = described(dnsLabel, "Name of the policy.");

/** A CheckpointPolicy of the install. */
export type CheckpointPolicyInput = {
  name: string;
  namespace: string;
} & StructuralInput<CheckpointPolicySpec>;
/** A ClusterCheckpointPolicy of the install. */
export type ClusterCheckpointPolicyInput = { name: string } & StructuralInput<ClusterCheckpointPolicySpec>;

const policySchema = withRules(
  shape({
    name,
    namespace: described(dnsLabel, "Namespace of the policy and its pods."),
    ...structuralEntries(specOf(CHECKPOINT_POLICY)),
  }),
  specOf(CHECKPOINT_POLICY),
) as v.GenericSchema<CheckpointPolicyInput>;

const clusterPolicySchema = withRules(
  shape({
    name,
    ...structuralEntries(specOf(CLUSTER_CHECKPOINT_POLICY)),
  }),
  specOf(CLUSTER_CHECKPOINT_POLICY),
) as v.GenericSchema<ClusterCheckpointPolicyInput>;

/** What can read the memory of pods. */
export const MEMORY_READINGS = ["agent", "metrics-server"] as const;
export type MemorySource = (typeof MEMORY_READINGS)[number];

/** Describes the policies that checkpoint pods. */
export const policiesSchema = shape({
  maxInFlight: described(
    v.optional(integer(1, 10_000), 50),
    "Maximum number of Checkpoints of all policies that have not ended.",
  ),
  memoryReadings: described(
    derived(v.picklist(MEMORY_READINGS), "agent with the engine criu, else metrics-server"),
    "What reads the memory of pods for the trigger memory. agent: the agent of their node, every 2 s. metrics-server: the API metrics.k8s.io of the cluster, every 15 s.",
  ),
  actions: policyActionsSchema,
  verify: described(
    v.optional(oneOf([v.literal(false), verifySchema]), false),
    "The action verify, which restores Checkpoints in sandbox pods. {} enables it, and permits the controller to create such pods. false: policies with it do nothing.",
  ),
  webhook: described(
    v.optional(oneOf([v.literal(false), policyWebhookSchema]), false),
    "Server of the trigger webhook, with the certificate of the restore webhook. {} enables it. false: no server.",
  ),
  notify: described(
    v.optional(policyNotifySchema, {}),
    "Settings of the action notify. Enable it in actions. Without a destination, it records only events.",
  ),
  platform: described(
    v.optional(oneOf([v.literal(false), policyPlatformSchema]), false),
    "Copies of policies with executor Platform in Cedana's platform, which executes them. Only with the engine cedana. false: no copies, and the controller does not get the platform's token.",
  ),
  checkpointPolicies: described(v.optional(v.array(policySchema), []), "CheckpointPolicies to create."),
  clusterCheckpointPolicies: described(
    v.optional(v.array(clusterPolicySchema), []),
    "ClusterCheckpointPolicies to create.",
  ),
});

type NamedPolicy = Pick<PolicySpec, "trigger" | "filter" | "action"> & { readonly name: string };

/** Settings of policies. */
export type PoliciesOf = v.InferOutput<typeof policiesSchema>;

/**
 * Checks the policies of an install beyond the rules of their kinds, which the schemas check. Paths begin with a property of
 * `policies`.
 * @param namespaces namespaces whose Checkpoints are reconciled
 */
export function checkPolicies(
  { checkpointPolicies, clusterCheckpointPolicies, actions, verify, webhook, notify, platform }: PoliciesOf,
  namespaces: "all" | readonly string[],
): Problem[] {
  const common = (policy: NamedPolicy, earlier: readonly NamedPolicy[]): Problem[] => [
    ...checkTwice(policy.name, earlier),
    ...checkExpression(policy),
    ...checkWebhookTrigger(policy, webhook),
    ...checkAction(policy, { actions, verify }),
    ...checkDestination(policy, notify),
  ];
  return [
    ...checkNotify(notify, actions.includes("notify")),
    ...(verify ? under(["verify"], checkVerify(verify, namespaces)) : []),
    ...checkpointPolicies.flatMap((policy, index) =>
      under(
        ["checkpointPolicies", index],
        [
          ...checkNamespace(["namespace"], policy.namespace, namespaces),
          ...checkExecutor(policy, platform),
          ...common(
            policy,
            checkpointPolicies.slice(0, index).filter(({ namespace }) => namespace === policy.namespace),
          ),
        ],
      ),
    ),
    ...clusterCheckpointPolicies.flatMap((policy, index) =>
      under(
        ["clusterCheckpointPolicies", index],
        [
          ...(policy.filter.namespaces ?? []).flatMap((one, position) =>
            checkNamespace(["filter", "namespaces", position], one, namespaces),
          ),
          ...common(policy, clusterCheckpointPolicies.slice(0, index)),
        ],
      ),
    ),
  ];
}

/**
 * Checks a manifest of a policy, and sets its defaults.
 * @returns the spec, or all problems. Their paths begin with `metadata` or `spec`
 */
export function checkPolicy(
  { kind }: Kind,
  {
    metadata,
    spec,
  }: { readonly metadata: { readonly name?: unknown; readonly namespace?: unknown }; readonly spec: unknown },
): { readonly spec: PolicySpec; readonly problems?: undefined } | { readonly problems: readonly Problem[] } {
  const isCluster = kind === CLUSTER_CHECKPOINT_POLICY.kind;
  const { name, namespace } = metadata;
  const input = { ...(spec as object), name, ...(isCluster ? {} : { namespace }) };
  const checked = check<v.GenericSchema>(isCluster ? clusterPolicySchema : policySchema, input);
  const {
    name: _,
    namespace: __,
    ...resolved
  } = (checked.problems ? {} : checked.value) as PolicySpec & {
    readonly name?: string;
    readonly namespace?: string;
  };
  const given = (checked.problems ? input : resolved) as Partial<PolicySpec>;
  const found = checked.problems ?? [];
  const hasExpression = found.some(({ path }) => path[0] === "filter" && path[1] === "expression");
  const problems = [...found, ...(hasExpression ? [] : checkExpression({ filter: given.filter }))];
  if (problems.length > 0)
    return {
      problems: problems.flatMap((problem) => {
        const isMetadata = problem.path[0] === "name" || problem.path[0] === "namespace";
        return under([isMetadata ? "metadata" : "spec"], [problem]);
      }),
    };
  return { spec: resolved };
}

/** Rejects policies whose Checkpoints would have their artifacts deleted, in an install whose controller deletes none. */
export function checkDeletion({
  checkpointPolicies,
  clusterCheckpointPolicies,
}: Pick<PoliciesOf, "checkpointPolicies" | "clusterCheckpointPolicies">): Problem[] {
  return Object.entries({ checkpointPolicies, clusterCheckpointPolicies }).flatMap(([list, policies]) =>
    policies.flatMap(({ action }, index) =>
      Object.entries(action)
        .filter(([, settings]) => "deletionPolicy" in settings && settings.deletionPolicy === "Delete")
        .map(([name]) => ({
          code: "deletion-policy-without-effect",
          path: [list, index, "action", name, "deletionPolicy"],
          message: "has no effect: the controller deletes no artifacts",
          given: "Delete",
          remedy: "set install.checkpoints.deleteArtifacts: {}, or remove it",
        })),
    ),
  );
}

function checkNamespace(
  path: PropertyPath,
  namespace: string,
  namespaces: "all" | readonly string[],
): Problem[] {
  if (namespaces === "all" || namespaces.includes(namespace)) return [];
  return [
    {
      code: "namespace-without-checkpoints",
      path,
      message: "is a namespace whose Checkpoints are not reconciled",
      given: printable(namespace),
      allowed: namespaces.join(", "),
      remedy: "add it to install.checkpoints.namespaces",
    },
  ];
}

/** Compiles the expression of a filter, because the API server does not. The filter may have other problems. */
function checkExpression({ filter }: { readonly filter?: unknown }): Problem[] {
  const { expression } = (filter ?? {}) as { readonly expression?: unknown };
  if (typeof expression !== "string" || isToken(expression)) return [];
  const compiled = compilePodExpression(expression);
  if (!("problem" in compiled)) return [];
  return [
    {
      code: "invalid-expression",
      path: ["filter", "expression"],
      message: `is not a CEL expression over pod: ${formatExpressionProblem(expression, compiled.problem)}`,
      given: printable(expression),
    },
  ];
}

function checkTwice(name: string, others: readonly { readonly name: string }[]): Problem[] {
  if (others.every((other) => other.name !== name)) return [];
  return [
    {
      code: "duplicate-name",
      path: ["name"],
      message: "is the name of an earlier policy",
      given: printable(name),
    },
  ];
}
