import { Testing } from "cdk8s";
import {
  InvalidInputError,
  type CedanaEngineSpec,
  type CriuEngineSpec,
  type InstallSpec,
} from "../../../../config";
import { CedanaChart } from "../../../../stacks/kubernetes";

export const ENGINE: CedanaEngineSpec = {
  kind: "cedana",
  clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
  url: "https://sandbox.cedana.ai",
};

export const CRIU: CriuEngineSpec = {
  kind: "criu",
  image: { repository: "registry.example.com/cedana-node-agent", tag: "0.1.0" },
  repository: "registry.example.com/checkpoints",
};

/** The required properties of an install with the engine `criu`. */
export const CONTROLLER: InstallSpec = {
  controller: { image: { repository: "registry.example.com/cedana-controller", tag: "0.1.0" } },
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

export function chart(install: InstallSpec = {}, engine: Partial<CedanaEngineSpec> = {}): CedanaChart {
  return new CedanaChart(Testing.app(), "cedana", { engine: { ...ENGINE, ...engine }, install });
}

export function synth(install: InstallSpec = {}, engine: Partial<CedanaEngineSpec> = {}): KubernetesObject[] {
  return chart(install, engine).toJson() as KubernetesObject[];
}

/** Settings of the engine that enable all its optional objects. */
export const EVERYTHING: Partial<CedanaEngineSpec> = {
  manager: {
    metrics: { readers: [{ namespace: "monitoring", name: "prometheus" }] },
    workloadNamespaces: ["default", "team-a"],
  },
  attachAccount: { tokenRequesters: [{ kind: "User", name: "platform-engineer" }] },
  dynamoWatcher: { namespaces: ["default"] },
  networkPolicies: {
    allowIngressFromNamespaces: [{ "kubernetes.io/metadata.name": "monitoring" }],
  },
};

/** Settings of the install that enable its optional objects. */
export const INSTALL: InstallSpec = {
  kueue: { localQueues: [{ namespace: "default" }] },
  imagePullSecrets: ["registry"],
};

/** With the engine `criu`. */
export function chartCriu(install: InstallSpec = {}, engine: Partial<CriuEngineSpec> = {}): CedanaChart {
  return new CedanaChart(Testing.app(), "cedana", {
    engine: { ...CRIU, ...engine },
    install: { ...CONTROLLER, ...install },
  });
}

export function synthCriu(
  install: InstallSpec = {},
  engine: Partial<CriuEngineSpec> = {},
): KubernetesObject[] {
  return chartCriu(install, engine).toJson() as KubernetesObject[];
}

/** Returns the problems that the constructor of the chart reports, one a line. */
export function problems(install: InstallSpec): string {
  try {
    chart(install);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return error.problems
      .map(
        ({ path, given, message, allowed }) =>
          `${path.join(".")} ${given ?? ""} ${message}; ${allowed ?? ""}`,
      )
      .join("\n");
  }
  return "none";
}
