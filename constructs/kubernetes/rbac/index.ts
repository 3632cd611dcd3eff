import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { namesOf } from "../../../config/install";
import { installOf, type InstallProps } from "../input";
import { bindEverywhere, clusterRole, grantIn, grantWhere, subject } from "./bindings";
import { clusterRules, leaderElectionRules, WORKLOAD_RULES } from "./rules";

/**
 * What the manager's ServiceAccount may do: read workloads and hold its taint in the whole cluster; create, change and
 * delete workloads in `manager.workloadNamespaces` only; elect a leader in its own namespace.
 */
export class ManagerRbac extends Construct {
  readonly clusterRole: ApiObject;
  /** What it may do in the namespaces of workloads: a Role and its binding in each. */
  readonly workloadRoles: readonly ApiObject[];

  constructor(scope: Construct, id: string, props: InstallProps = {}) {
    super(scope, id);
    const install = installOf(this, props);
    const { manager, namespace } = install;
    const names = namesOf(install);
    const component = "manager";
    const account = { namespace, name: names.managerAccount };

    const cluster = { name: names.managerRole, component };
    this.clusterRole = clusterRole(this, install, "manager", { ...cluster, rules: clusterRules(install) });
    bindEverywhere(this, install, "manager-binding", { ...cluster, role: cluster.name }, [account]);

    this.workloadRoles = grantWhere(
      this,
      install,
      "workloads",
      manager.workloadNamespaces,
      { name: names.workloadRole, component, rules: WORKLOAD_RULES },
      account,
    );

    grantIn(
      this,
      install,
      "leader-election",
      namespace,
      { name: names.leaderElection, component, rules: leaderElectionRules(manager.leaseName) },
      [subject(account)],
    );
  }
}
