import type { V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { agentNamespace, namesOf } from "../../core";
import { installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";
import { bindEverywhere, bindIn, clusterRole, grantIn, subject } from "../rbac/bindings";
import { clusterRules, leaderElectionRules } from "../rbac/rules";
import { installClusterRules, installRules, workloadBindingRules } from "./rules";

/**
 * The account that is handed to Cedana's platform when a cluster is attached. By default it may put in and take out the
 * objects of this install, and nothing else; it cannot read Secrets nor give itself or others more than it has.
 * `cluster-admin` has to be asked for by name. No token is stored: ask for one that ends (`kubectl create token
 * --duration 1h`), which `tokenRequesters` may do. None is made with `attachAccount: false`.
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
      bindEverywhere(this, install, "cluster-admin", { ...about, role: "cluster-admin" }, [account]);
    } else {
      // What it installs for the manager it must hold itself: Kubernetes lets nobody grant more than he has.
      const cluster = [...installClusterRules(install), ...clusterRules(install)];
      clusterRole(this, install, "cluster", { ...about, rules: cluster });
      bindEverywhere(this, install, "cluster-binding", { ...about, role: name }, [account]);
      const own = [...installRules(), ...leaderElectionRules(install.manager.leaseName)];
      for (const home of new Set([namespace, agentNamespace(install)])) {
        grantIn(this, install, `home-${home}`, home, { ...about, rules: own }, [subject(account)]);
      }
      const workloads = { ...about, name: `${name}-workloads` };
      clusterRole(this, install, "workloads", { ...workloads, rules: workloadBindingRules(install) });
      bindIn(this, install, "workloads-binding", workloads, account, install.manager.workloadNamespaces);
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
