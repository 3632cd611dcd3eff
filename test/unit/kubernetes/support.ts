import { Testing } from "cdk8s";
import type { EngineSpec, InstallSpec } from "../../../constructs/core";
import { CedanaChart } from "../../../stacks/kubernetes";

export const ENGINE: EngineSpec = {
  clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
  url: "https://sandbox.cedana.ai",
};

export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  [field: string]: unknown;
}

export function chart(install: InstallSpec = {}, engine: Partial<EngineSpec> = {}): CedanaChart {
  return new CedanaChart(Testing.app(), "cedana", { engine: { ...ENGINE, ...engine }, install });
}

export function synth(install: InstallSpec = {}, engine: Partial<EngineSpec> = {}): KubernetesObject[] {
  return chart(install, engine).toJson() as KubernetesObject[];
}

/** Everything that can be switched on. */
export const EVERYTHING: InstallSpec = {
  manager: {
    metrics: { readers: [{ namespace: "monitoring", name: "prometheus" }] },
    workloadNamespaces: ["default", "team-a"],
  },
  attachAccount: { tokenRequesters: [{ kind: "User", name: "platform-engineer" }] },
  kueue: { localQueues: [{ namespace: "default" }] },
  dynamoWatcher: { namespaces: ["default"] },
  networkPolicies: {
    allowIngressFromNamespaces: [{ "kubernetes.io/metadata.name": "monitoring" }],
  },
  imagePullSecrets: ["registry"],
};
