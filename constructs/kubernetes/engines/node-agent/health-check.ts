import { dirname } from "node:path/posix";
import type { V1DaemonSet, V1Probe } from "@kubernetes/client-node";
import { CRIU_LINK, HEALTH_CONDITION } from "../../../../config/programs/agent";
import { isNodeLocalRegistry } from "../../../../config/engines/node-agent";
import { namesOf } from "../../../../config/install";
import { settingsHash, type NodeAgentInput } from "./input";
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
 * Returns the health check. One container runs `criu check` and has the capabilities that it needs. The other one checks the
 * node, writes the condition of its pod, and has the token. The pod is Ready only while the condition is True.
 */
export function healthCheckDaemonSet(input: NodeAgentInput): Manifest<V1DaemonSet> {
  const {
    engine,
    install,
    settings: { folder, health },
    checkMounts,
    healthMounts,
  } = input;
  const { healthCheck } = install;
  const tree = hostDirectory("criu", folder, "read", { create: true });
  const settingsMount = settings(input);
  const config = dirname(health.runtimeConfig);
  const result = emptyDirectory("criu-check", "/run/criu-check", "1Mi");
  const temporary = emptyDirectory("tmp", "/tmp", "16Mi");
  const heartbeat = emptyDirectory("health", "/run/health", "1Mi");
  const node = mergeMounts(
    hostDirectory("criu-link", dirname(CRIU_LINK), "read", {
      at: `/host${dirname(CRIU_LINK)}`,
      create: true,
    }),
    hostDirectory("runtime-config", config, "read", { at: `/host${config}`, create: true }),
    healthMounts,
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
        volumeMounts: mergeMounts(settingsMount, tree, checkMounts, temporary, result).volumeMounts,
      },
      {
        name: "health-check",
        ...image(engine.image),
        args: ["agent", "health", "--settings", SETTINGS_PATH],
        env: environment(healthCheck.env),
        resources: healthCheck.resources,
        securityContext: NON_ROOT,
        readinessProbe: freshnessProbe("/run/health/reported", seconds),
        livenessProbe: freshnessProbe("/run/health/alive", seconds),
        volumeMounts: [
          ...settingsMount.volumeMounts,
          ...tree.volumeMounts,
          ...readResult,
          ...node.volumeMounts,
        ],
      },
    ],
    volumes: mergeMounts(settingsMount, tree, checkMounts, temporary, result, node).volumes,
  });
}

/** Returns a probe that runs a shell: a Node.js process every few seconds would cost more than the check. */
function freshnessProbe(file: string, seconds: number): V1Probe {
  const command = ["sh", "-c", `[ $(($(date +%s) - $(stat -c %Y ${file}))) -lt ${seconds} ]`];
  return { exec: { command }, initialDelaySeconds: 5, periodSeconds: 10, timeoutSeconds: 5 };
}
