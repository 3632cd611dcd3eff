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
  hostDirectory,
  NON_ROOT,
  ROOT,
  emptyDirectory,
  settings,
  SETTINGS_PATH,
  mergeMounts,
} from "./pod";

/**
 * Returns the DaemonSet of the health check. Container `criu-check` runs `criu check` and has the capabilities for it. Container
 * `health-check` evaluates the node, writes the condition of its pod, and has the token of the API server. The kubelet sets the
 * pod Ready only while the condition is True.
 */
export function healthCheckDaemonSet(input: KubeletInput): Manifest<V1DaemonSet> {
  const { engine, install } = input;
  const { healthCheck } = install;
  const criu = hostDirectory("criu", engine.folder, "read", { create: true });
  const settingsMount = settings(input);
  const config = dirname(runtimeConfig(engine));
  const result = emptyDirectory("criu-check", "/run/criu-check", "1Mi");
  const temporary = emptyDirectory("tmp", "/tmp", "16Mi");
  const heartbeat = emptyDirectory("health", "/run/health", "1Mi");
  const node = mergeMounts(
    hostDirectory("criu-link", dirname(CRIU_LINK), "read", {
      at: `/host${dirname(CRIU_LINK)}`,
      create: true,
    }),
    hostDirectory("runtime-config", config, "read", { at: `/host${config}`, create: true }),
    hostDirectory("archives", ARCHIVES, "read", { create: true }),
    apiToken(),
    credentials(input),
    heartbeat,
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
          // The default AppArmor profile forbids mounts.
          appArmorProfile: { type: "Unconfined" },
        },
        livenessProbe: freshnessProbe("/run/criu-check/result.json", seconds),
        volumeMounts: mergeMounts(settingsMount, criu, temporary, result).volumeMounts,
      },
      {
        name: "health-check",
        ...image(engine.image),
        args: ["agent", "health", "--settings", SETTINGS_PATH],
        env: environment(healthCheck.env),
        resources: healthCheck.resources,
        securityContext: NON_ROOT,
        readinessProbe: freshnessProbe("/run/health/alive", seconds),
        livenessProbe: freshnessProbe("/run/health/alive", seconds),
        volumeMounts: [
          ...settingsMount.volumeMounts,
          ...criu.volumeMounts,
          ...readResult,
          ...node.volumeMounts,
        ],
      },
    ],
    volumes: mergeMounts(settingsMount, criu, temporary, result, node).volumes,
  });
}

/** Returns a probe that fails once the file is older than this. It runs a shell, which costs less than a Node.js process. */
function freshnessProbe(file: string, seconds: number): V1Probe {
  const command = ["sh", "-c", `[ $(($(date +%s) - $(stat -c %Y ${file}))) -lt ${seconds} ]`];
  return { exec: { command }, initialDelaySeconds: 5, periodSeconds: 10, timeoutSeconds: 5 };
}
