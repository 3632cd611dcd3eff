import { dirname } from "node:path/posix";
import type { V1DaemonSet, V1Probe } from "@kubernetes/client-node";
import { ARCHIVES, CRIU_LINK, HEALTH_CONDITION, runtimeConfig } from "../../../../config/programs/agent";
import { isNodeLocalRegistry } from "../../../../config/engines/kubelet";
import { namesOf } from "../../../../config/install";
import { settingsHash, type KubeletInput } from "./input";
import type { Manifest } from "../../object";
import { daemonSet, image } from "../../pod";
import {
  apiToken,
  credentials,
  environment,
  hostFolder,
  NOBODY,
  ROOT,
  scratch,
  settings,
  SETTINGS_PATH,
  together,
} from "./pod";

/**
 * The health check: one container runs `criu check` and has the capabilities that it needs, the other judges the node and
 * writes its pod's condition, and has the token. The kubelet counts the pod as Ready only while the condition is True.
 */
export function healthCheckDaemonSet(input: KubeletInput): Manifest<V1DaemonSet> {
  const { engine, install } = input;
  const { healthCheck } = install;
  const tree = hostFolder("criu", engine.folder, "read", { create: true });
  const told = settings(input);
  const config = dirname(runtimeConfig(engine));
  const result = scratch("criu-check", "/run/criu-check", "1Mi");
  const checking = scratch("tmp", "/tmp", "16Mi");
  const round = scratch("health", "/run/health", "1Mi");
  const node = together(
    hostFolder("criu-link", dirname(CRIU_LINK), "read", { at: `/host${dirname(CRIU_LINK)}`, create: true }),
    hostFolder("runtime-config", config, "read", { at: `/host${config}`, create: true }),
    hostFolder("archives", ARCHIVES, "read", { create: true }),
    apiToken(),
    credentials(input),
    round,
  );
  const readResult = result.volumeMounts.map(({ name, mountPath }) => ({ name, mountPath, readOnly: true }));
  const seconds = 3 * healthCheck.periodSeconds + healthCheck.timeoutSeconds;
  return daemonSet(install, "health-check", healthCheck, settingsHash(input), {
    ...(isNodeLocalRegistry(engine) ? { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" } : {}),
    serviceAccountName: namesOf(install).healthCheck,
    terminationGracePeriodSeconds: 5,
    readinessGates: [{ conditionType: HEALTH_CONDITION }],
    containers: [
      {
        name: "criu-check",
        ...image(engine.image),
        args: ["agent", "check-criu", "--settings", SETTINGS_PATH],
        resources: healthCheck.resources,
        securityContext: {
          ...ROOT,
          capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "SYS_ADMIN"] },
          // The default profile forbids to mount.
          appArmorProfile: { type: "Unconfined" },
        },
        livenessProbe: youngerThan("/run/criu-check/result.json", seconds),
        volumeMounts: together(told, tree, checking, result).volumeMounts,
      },
      {
        name: "health-check",
        ...image(engine.image),
        args: ["agent", "health", "--settings", SETTINGS_PATH],
        env: environment(healthCheck.env),
        resources: healthCheck.resources,
        securityContext: NOBODY,
        readinessProbe: youngerThan("/run/health/alive", seconds),
        livenessProbe: youngerThan("/run/health/alive", seconds),
        volumeMounts: [...told.volumeMounts, ...tree.volumeMounts, ...readResult, ...node.volumeMounts],
      },
    ],
    volumes: together(told, tree, checking, result, node).volumes,
  });
}

/** A shell: a Node.js process every few seconds would cost more than what it asks about. */
function youngerThan(file: string, seconds: number): V1Probe {
  const command = ["sh", "-c", `[ $(($(date +%s) - $(stat -c %Y ${file}))) -lt ${seconds} ]`];
  return { exec: { command }, initialDelaySeconds: 5, periodSeconds: 10, timeoutSeconds: 5 };
}
