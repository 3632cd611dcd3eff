import type {
  V1ClusterRole,
  V1ClusterRoleBinding,
  V1PolicyRule,
  V1Role,
  V1RoleBinding,
} from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import type { ResolvedInstall } from "../../config/install";
import { metadata, object } from "./object";

const RBAC = "rbac.authorization.k8s.io";

/** A ServiceAccount. */
export interface Account {
  readonly namespace: string;
  readonly name: string;
}

interface Grant {
  readonly name: string;
  readonly component: string;
  readonly rules: V1PolicyRule[];
}

/** Creates a ClusterRole. */
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

/** Binds a ClusterRole to accounts in the whole cluster. */
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
    metadata: metadata(install, { name: grant.name, component: grant.component }),
    roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: grant.role },
    subjects: accounts.map(subject),
  });
}

/**
 * Grants an account permissions in some namespaces, by a Role in each, so that the installing user needs the permissions only
 * in these namespaces. `all`: cluster-wide, by a ClusterRole.
 */
export function grantWhere(
  scope: Construct,
  install: ResolvedInstall,
  id: string,
  namespaces: "all" | readonly string[],
  grant: Grant,
  account: Account,
): ApiObject[] {
  if (namespaces === "all") {
    return [
      clusterRole(scope, install, id, grant),
      bindEverywhere(scope, install, `${id}-binding`, { ...grant, role: grant.name }, [account]),
    ];
  }
  return [...new Set(namespaces)].flatMap((namespace) =>
    grantIn(scope, install, `${id}-${namespace}`, namespace, grant, [subject(account)]),
  );
}

/** Grants permissions in one namespace, by a Role and a binding of the same name. */
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
    // The name of a namespace contains no dot, so no other id ends like this.
    object<V1RoleBinding>(scope, `${id}.binding`, {
      apiVersion: `${RBAC}/v1`,
      kind: "RoleBinding",
      metadata: about,
      roleRef: { apiGroup: RBAC, kind: "Role", name },
      subjects,
    }),
  ];
}

/** Returns the subject of a binding for a ServiceAccount. */
export function subject({ namespace, name }: Account) {
  return { kind: "ServiceAccount", namespace, name };
}
