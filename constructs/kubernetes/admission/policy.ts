import type {
  V1MatchCondition,
  V1NamedRuleWithOperations,
  V1ValidatingAdmissionPolicy,
  V1ValidatingAdmissionPolicyBinding,
  V1Validation,
  V1Variable,
} from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import type { ResolvedInstall } from "../../../config/install";
import { metadata, object } from "../object";

const API = "admissionregistration.k8s.io/v1";

/** Kinds of objects, and what is done with them. */
export type Rule = Required<Pick<V1NamedRuleWithOperations, "apiGroups" | "apiVersions" | "resources">> & {
  readonly operations: readonly ("CREATE" | "UPDATE" | "DELETE")[];
  readonly scope: "Namespaced" | "Cluster" | "*";
  /** Default: objects of all names. */
  readonly resourceNames?: string[];
};

export interface Policy {
  /** Id of the construct. */
  readonly id: string;
  readonly name: string;
  readonly component?: string;
  readonly rules: readonly Rule[];
  /** Requests that do not fulfil all of them are not evaluated. An error rejects the request. */
  readonly matchConditions?: readonly V1MatchCondition[];
  readonly variables?: readonly V1Variable[];
  readonly validations: readonly V1Validation[];
  /** Default: `Deny`. */
  readonly action?: "Deny" | "Warn";
}

/**
 * Creates a ValidatingAdmissionPolicy and its binding. It applies to all namespaces, also those that are created later, and
 * an error in an expression rejects the request: no name in the policy must fit for it to be enforced.
 */
export function admissionPolicy(
  scope: Construct,
  install: ResolvedInstall,
  policy: Policy,
): [policy: ApiObject, binding: ApiObject] {
  const { id, name, component, rules, matchConditions, variables, validations, action = "Deny" } = policy;
  const about = metadata(install, { name, ...(component && { component }) });
  return [
    object<V1ValidatingAdmissionPolicy>(scope, id, {
      apiVersion: API,
      kind: "ValidatingAdmissionPolicy",
      metadata: about,
      spec: {
        failurePolicy: "Fail",
        matchConstraints: {
          resourceRules: rules.map((rule) => ({ ...rule, operations: [...rule.operations] })),
        },
        ...(matchConditions && { matchConditions: [...matchConditions] }),
        ...(variables && { variables: [...variables] }),
        validations: [...validations],
      },
    }),
    object<V1ValidatingAdmissionPolicyBinding>(scope, `${id}.binding`, {
      apiVersion: API,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: about,
      spec: { policyName: name, validationActions: [action] },
    }),
  ];
}
