import type { V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { agentNamespace, namesOf } from "../../../config/install";
import { installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";
import { bindEverywhere, clusterRole, grantIn, grantWhere, subject } from "../rbac/bindings";
import { clusterRules, leaderElectionRules } from "../rbac/rules";
import { installClusterRules, installRules, metricsRules, namespacedGrants } from "./rules";

/**
 * The account that is handed to Cedana's platform when a cluster is attached. By default it may put in and take out the
 * objects of this install (not its own, nor Kueue's), and grant nothing that they do not have. Who may do that can
 * run privileged pods in the agent's namespace, and so become root on its nodes: no account that installs a node agent
 * can have less. `cluster-admin` has to be asked for by name. No token is stored: ask for one that ends (`kubectl
 * create token --duration 1h`), which `tokenRequesters` may do. None is made with `attachAccount: false`.
 */
export class AttachAccount extends Construct {
  readonly serviceAccount?: ApiObject;

  constructor(scope: Construct, id: string, props: InstallProps = {}) {
    super(scope, id);
    const install = installOf(this, props);
    const { attachAccount: settings, namespace } = install;
    if (!settings) return;
    const name = namesOf(install).attachAccount;
    const about = { name, component: "attach" };
    const account = { namespace, name };

    this.serviceAccount = object<V1ServiceAccount>(this, "service-account", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadata(install, { ...about, namespace }),
      automountServiceAccountToken: false,
    });

    if (settings.permissions === "cluster-admin") {
      // Under a name of its own: a binding's role cannot be changed in a cluster.
      const admin = { ...about, name: `${name}-cluster-admin`, role: "cluster-admin" };
      bindEverywhere(this, install, "cluster-admin", admin, [account]);
    } else {
      // What it grants to the install's programs it must hold itself: Kubernetes lets nobody grant more than he has.
      const rules = [...installClusterRules(install), ...clusterRules(install), ...metricsRules(install)];
      clusterRole(this, install, "cluster", { ...about, rules });
      bindEverywhere(this, install, "cluster-binding", { ...about, role: name }, [account]);
      const home = [...installRules(install), ...leaderElectionRules(install.manager.leaseName)];
      for (const namespace of new Set([install.namespace, agentNamespace(install)])) {
        grantIn(this, install, `home-${namespace}`, namespace, { ...about, rules: home }, [subject(account)]);
      }
      for (const { id, namespaces, rules } of namespacedGrants(install)) {
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
