import type { V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { agentNamespace } from "../../../../config/install";
import { enabled, type EngineProps } from "../../input";
import { metadata, object } from "../../object";
import { bindEverywhere, clusterRole, grantIn, grantWhere, subject } from "../../rbac";
import { installClusterRules, installRules, metricsRules, namespacedGrants } from "./attach-account-rules";
import { cedanaInputOf } from "./input";
import { clusterRules, leaderElectionRules } from "./rbac";

/**
 * The account for Cedana's platform when a cluster is attached. By default it may install and uninstall the objects of this
 * install, except its own and those of Kueue, and grant only permissions that they have. Such an account can run privileged
 * pods in the agent's namespace, and so become root on its nodes: an account that installs a node agent cannot have less.
 * `cluster-admin` must be configured explicitly. No token is stored: `tokenRequesters` may request a token that expires
 * (`kubectl create token --duration 1h`).
 */
export class AttachAccount extends Construct {
  readonly serviceAccount: ApiObject;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = cedanaInputOf(this, props);
    const { engine, install, names } = input;
    const { namespace } = install;
    const settings = enabled(this, ["engine", "attachAccount"], engine.attachAccount);
    const name = names.attachAccount;
    const about = { name, component: "attach" };
    const account = { namespace, name };

    this.serviceAccount = object<V1ServiceAccount>(this, "service-account", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadata(install, { ...about, namespace }),
      automountServiceAccountToken: false,
    });

    if (settings.permissions === "cluster-admin") {
      // A separate name, because the role of an existing binding cannot be changed.
      const admin = { ...about, name: `${name}-cluster-admin`, role: "cluster-admin" };
      bindEverywhere(this, install, "cluster-admin", admin, [account]);
    } else {
      // Kubernetes requires that an account has every permission that it grants.
      const rules = [...installClusterRules(input), ...clusterRules(input), ...metricsRules(input)];
      clusterRole(this, install, "cluster", { ...about, rules });
      bindEverywhere(this, install, "cluster-binding", { ...about, role: name }, [account]);
      const home = [...installRules(input), ...leaderElectionRules(engine.manager.leaseName)];
      for (const namespace of new Set([install.namespace, agentNamespace(install)])) {
        grantIn(this, install, `home-${namespace}`, namespace, { ...about, rules: home }, [subject(account)]);
      }
      for (const { id, namespaces, rules } of namespacedGrants(input)) {
        grantWhere(this, install, id, namespaces, { ...about, name: `${name}-${id}`, rules }, account);
      }
    }

    if (settings.tokenRequesters.length > 0) {
      grantIn(
        this,
        install,
        "token",
        namespace,
        {
          ...about,
          name: `${name}-token`,
          rules: [
            {
              apiGroups: [""],
              resources: ["serviceaccounts/token"],
              resourceNames: [name],
              verbs: ["create"],
            },
          ],
        },
        settings.tokenRequesters.map(({ kind, name }) => ({
          apiGroup: "rbac.authorization.k8s.io",
          kind,
          name,
        })),
      );
    }
  }
}
