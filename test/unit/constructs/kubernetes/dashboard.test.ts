import type { V1ConfigMap } from "@kubernetes/client-node";
import { grafanaDashboard } from "../../../../render";
import { synth } from "./support";

const image = { repository: "registry.example.com/cedana-controller", tag: "0.1.0" };

describe("the Grafana dashboard", () => {
  const dashboard = (metrics: object) => {
    const objects = synth({ controller: { image, metrics } });
    const found = objects.find(({ metadata }) => metadata.name === "cedana-controller-dashboard");
    return found as unknown as V1ConfigMap | undefined;
  };

  test("is off by default", () => {
    expect(dashboard({})).toBeUndefined();
    expect(dashboard({ serviceMonitor: true, prometheusRule: true })).toBeUndefined();
  });

  test("is a ConfigMap with the label that the sidecar of Grafana selects", () => {
    const { metadata, data = {} } = dashboard({ grafanaDashboard: true }) ?? {};
    expect(metadata?.namespace).toBe("cedana-system");
    expect(metadata?.labels).toMatchObject({
      grafana_dashboard: "1",
      "app.kubernetes.io/component": "controller",
    });
    expect(Object.keys(data)).toEqual(["cedana-cdk.json"]);
    expect(JSON.parse(data["cedana-cdk.json"] ?? "")).toEqual(grafanaDashboard());
    // kubectl apply keeps a copy of the object in an annotation, and all annotations have at most 256 KiB.
    expect(JSON.stringify(data).length).toBeLessThan(200_000);
  });
});
