import type { V1ConfigMap } from "@kubernetes/client-node";
import { namesOf, type ResolvedInstall } from "../../../config/install";
import { DASHBOARD_FILE, grafanaDashboard } from "../../../render";
import { metadata, type Manifest } from "../object";

/** Label by which the sidecar of Grafana's Helm chart, and of kube-prometheus-stack, finds dashboards. */
const LABELS = { grafana_dashboard: "1" };

/** Returns the ConfigMap with the Grafana dashboard. */
export function dashboardConfigMap(install: ResolvedInstall): Manifest<V1ConfigMap> {
  const name = `${namesOf(install).controller}-dashboard`;
  const { namespace } = install;
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: metadata(install, { name, namespace, component: "controller", labels: LABELS }),
    data: { [DASHBOARD_FILE]: `${JSON.stringify(grafanaDashboard(), null, 1)}\n` },
  };
}
