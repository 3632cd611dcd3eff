import {
  CHECKPOINT_POLICY,
  CLUSTER_CHECKPOINT_POLICY,
  CRON_PATTERN,
  type CheckpointPolicySpec,
  type ClusterCheckpointPolicySpec,
  type HeartbeatTrigger,
  type Kind,
  type PolicySpec,
  namesInWords,
  TRIGGER_FIELDS,
  type Schema,
} from "../../api";
import { described, dnsLabel, integer, oneOf, shape } from "../schema";
import { checkAction, policyActionsSchema } from "./policy-actions";
import { checkWebhookTrigger, policyWebhookSchema } from "./policy-webhook";
import { printable, under, type Problem, type PropertyPath } from "../schema/problem";
import { structuralEntries, type StructuralInput } from "../schema/structural";
import * as v from "../schema/valibot";

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

const policySchema = shape({
  name,
  namespace: described(dnsLabel, "Namespace of the policy and its pods."),
  ...structuralEntries(specOf(CHECKPOINT_POLICY)),
}) as v.GenericSchema as v.GenericSchema<CheckpointPolicyInput>;

const clusterPolicySchema = shape({
  name,
  ...structuralEntries(specOf(CLUSTER_CHECKPOINT_POLICY)),
}) as v.GenericSchema as v.GenericSchema<ClusterCheckpointPolicyInput>;

/** Describes the policies that checkpoint pods. */
export const policiesSchema = shape({
  maxInFlight: described(
    v.optional(integer(1, 10_000), 50),
    "Maximum number of Checkpoints of all policies that have not ended.",
  ),
  actions: policyActionsSchema,
  webhook: described(
    v.optional(oneOf([v.literal(false), policyWebhookSchema]), false),
    "Server of the trigger webhook, with the certificate of the restore webhook. {} enables it. false: no server.",
  ),
  checkpointPolicies: described(v.optional(v.array(policySchema), []), "CheckpointPolicies to create."),
  clusterCheckpointPolicies: described(
    v.optional(v.array(clusterPolicySchema), []),
    "ClusterCheckpointPolicies to create.",
  ),
});

/** Settings of policies. */
export type PoliciesOf = v.InferOutput<typeof policiesSchema>;

const CRON = new RegExp(CRON_PATTERN, "i");

/**
 * Checks the policies of an install. The API server evaluates all rules of the kinds; those that users break most are reported
 * here, before anything is applied. Paths begin with a property of `policies`.
 * @param namespaces namespaces whose Checkpoints are reconciled
 */
export function checkPolicies(
  { checkpointPolicies, clusterCheckpointPolicies, actions, webhook }: PoliciesOf,
  namespaces: "all" | readonly string[],
): Problem[] {
  return [
    ...checkpointPolicies.flatMap((policy, index) =>
      under(
        ["checkpointPolicies", index],
        [
          ...checkNamespace(["namespace"], policy.namespace, namespaces),
          ...checkTwice(
            policy.name,
            checkpointPolicies.slice(0, index).filter(({ namespace }) => namespace === policy.namespace),
          ),
          ...checkTrigger(policy),
          ...checkWebhookTrigger(policy, webhook),
          ...checkAction(policy, actions),
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
          ...checkTwice(policy.name, clusterCheckpointPolicies.slice(0, index)),
          ...checkTrigger(policy),
          ...checkWebhookTrigger(policy, webhook),
          ...checkAction(policy, actions),
        ],
      ),
    ),
  ];
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

function checkTrigger({ trigger }: Pick<PolicySpec, "trigger">): Problem[] {
  const { heartbeat } = trigger;
  const count = Object.keys(trigger).length;
  if (count !== 1) {
    return [
      {
        code: "invalid-trigger",
        path: ["trigger"],
        message: count === 0 ? "has no trigger" : "has more than one trigger",
        allowed: namesInWords(Object.keys(TRIGGER_FIELDS)),
      },
    ];
  }
  return heartbeat ? under(["trigger", "heartbeat"], checkHeartbeat(heartbeat)) : [];
}

function checkHeartbeat({ intervalSeconds, cron, timeZone }: HeartbeatTrigger): Problem[] {
  if ((intervalSeconds === undefined) === (cron === undefined)) {
    return [
      {
        code: "invalid-trigger",
        path: [],
        message: cron === undefined ? "has no schedule" : "has two schedules",
        allowed: "intervalSeconds or cron",
      },
    ];
  }
  return [
    ...(cron === undefined || CRON.test(cron)
      ? []
      : [
          {
            code: "invalid-cron",
            path: ["cron"],
            message: "is not a cron schedule",
            given: printable(cron),
            allowed:
              "five fields: minute (0-59), hour (0-23), day of the month (1-31), month (1-12) and day of the week (0-7)",
          },
        ]),
    ...(timeZone === undefined || isTimeZone(timeZone)
      ? []
      : [
          {
            code: "invalid-time-zone",
            path: ["timeZone"],
            message: "is not a time zone of the IANA database",
            given: printable(timeZone),
            allowed: "a name such as Europe/Berlin or UTC",
          },
        ]),
  ];
}

function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
