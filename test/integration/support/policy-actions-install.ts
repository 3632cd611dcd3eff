/** The install of the suite of actions of policies. */
import { Testing } from "cdk8s";
import { readControllerSettings, type ControllerSettings } from "../../../config/programs/controller";
import { CedanaChart } from "../../../stacks/kubernetes";
import type { KubernetesObject } from "../../../testbed/cluster/apiserver";

export const SYSTEM = "actions-system";
export const TEAM = "actions-team";

const ACTIONS = ["checkpoint", "checkpointThenDelete", "suspend", "resume"] as const;

/** Returns the objects of an install with the engine. The webhook needs the certificate of restore. */
export function chart(kind: "cedana" | "criu"): KubernetesObject[] {
  const engine =
    kind === "cedana"
      ? { kind, clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10", url: "https://example.com" }
      : {
          kind,
          image: { repository: "registry.example.com/node-agent", tag: "0.1.0" },
          repository: "registry.example.com/checkpoints",
        };
  return new CedanaChart(Testing.app(), "actions", {
    engine,
    install: {
      name: "actions",
      namespace: SYSTEM,
      controller: { image: { repository: "registry.example.com/controller", tag: "0.1.0" } },
      checkpoints: { namespaces: [TEAM] },
      policies: { actions: [...ACTIONS], ...(kind === "criu" ? { webhook: { secrets: ["hooks"] } } : {}) },
    },
  }).toJson() as KubernetesObject[];
}

/** Returns a Secret. @param data in base64 */
export function secret(home: string, name: string, data: object, type = "Opaque"): KubernetesObject {
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: home }, type, data };
}

/** Returns the settings of the install, with the test double as the manager. */
export function settingsOf(objects: readonly KubernetesObject[], url?: string): ControllerSettings {
  const map = objects.find(({ metadata }) => metadata.name.endsWith("-controller-settings"));
  const { "settings.json": text = "" } = (map?.["data"] ?? {}) as Record<string, string>;
  const read = readControllerSettings(text);
  if (read.problems) throw new Error("the settings cannot be read");
  const { checkpoints } = read.value;
  if (url === undefined || !checkpoints || !("manager" in checkpoints)) return read.value;
  return { ...read.value, checkpoints: { ...checkpoints, manager: { ...checkpoints.manager, url } } };
}
