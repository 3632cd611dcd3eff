import type {
  V1ClusterRole,
  V1ClusterRoleBinding,
  V1PolicyRule,
  V1Role,
  V1RoleBinding,
} from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import type { ResolvedInstall } from "../../core";
import { metadata, object } from "../object";

const RBAC = "rbac.authorization.k8s.io";

export interface Account {
  readonly namespace: string;
  readonly name: string;
}

interface Grant {
  readonly name: string;
  readonly component: string;
  readonly rules: V1PolicyRule[];
}

/** A ClusterRole. What its id says comes before `-role`. */
export function clusterRole(
  scope: Construct,
  install: ResolvedInstall,
  id: string,
  { name, component, rules }: Grant,
): ApiObject {
  return object<V1ClusterRole>(scope, id, {
    apiVersion: `${RBAC}/v1`,
    kind: "ClusterRole",
    metadata: metadata(install, { name, component }),
    rules,
  });
}

/** Gives a ClusterRole to accounts, in the whole cluster. */
export function bindEverywhere(
  scope: Construct,
  install: ResolvedInstall,
  id: string,
  grant: { readonly name: string; readonly role: string; readonly component: string },
  accounts: readonly Account[],
): ApiObject {
  return object<V1ClusterRoleBinding>(scope, id, {
    apiVersion: `${RBAC}/v1`,
    kind: "ClusterRoleBinding",
    metadata: metadata(install, grant),
    roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: grant.role },
    subjects: accounts.map(subject),
  });
}

/** Gives a ClusterRole to an account: in some namespaces, or `all`. */
export function bindIn(
  scope: Construct,
  install: ResolvedInstall,
  id: string,
  grant: { readonly name: string; readonly component: string },
  account: Account,
  namespaces: "all" | readonly string[],
): ApiObject[] {
  if (namespaces === "all") {
    return [bindEverywhere(scope, install, id, { ...grant, role: grant.name }, [account])];
  }
  return [...new Set(namespaces)].map((namespace) =>
    object<V1RoleBinding>(scope, `${id}-${namespace}`, {
      apiVersion: `${RBAC}/v1`,
      kind: "RoleBinding",
      metadata: metadata(install, { ...grant, namespace }),
      roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: grant.name },
      subjects: [subject(account)],
    }),
  );
}

/** A Role and its binding, of the same name, in one namespace. */
export function grantIn(
  scope: Construct,
  install: ResolvedInstall,
  id: string,
  namespace: string,
  { name, component, rules }: Grant,
  subjects: NonNullable<V1RoleBinding["subjects"]>,
): ApiObject[] {
  const about = metadata(install, { name, namespace, component });
  return [
    object<V1Role>(scope, id, { apiVersion: `${RBAC}/v1`, kind: "Role", metadata: about, rules }),
    object<V1RoleBinding>(scope, `${id}-binding`, {
      apiVersion: `${RBAC}/v1`,
      kind: "RoleBinding",
      metadata: about,
      roleRef: { apiGroup: RBAC, kind: "Role", name },
      subjects,
    }),
  ];
}

export function subject({ namespace, name }: Account) {
  return { kind: "ServiceAccount", namespace, name };
}
