import type { V1DaemonSet, V1Probe } from "@kubernetes/client-node";
import { AGENT_LITERALS, daemonPort, socketDirectory } from "../../../config/engines";
import { configChecksum, environment } from "../environment";
import type { CedanaInput } from "../input";
import type { Manifest } from "../object";
import { image } from "../pod";
import { daemonSet, socketMount } from "./daemon-set";

/** Seconds between two questions whether the daemon is up, while it is being installed. */
const STARTUP_PERIOD = 10;

/**
 * The helper: `cedana k8s setup` installs Cedana's daemon on its node and then serves the platform's requests. It works
 * as the host (chroot to /host, systemd, the host's package manager), hence root, the host's PID, IPC and network
 * namespaces and its file system. The published image offers no part of this on its own.
 */
export function helperDaemonSet(input: CedanaInput): Manifest<V1DaemonSet> {
  const { engine, install } = input;
  const { helper } = install;
  const directory = socketDirectory(engine);
  const port = daemonPort(engine);
  return daemonSet(install, "helper", helper, configChecksum(input, "node-agent"), {
    hostPID: true,
    hostIPC: true,
    // The host's resolver may listen on the host's loopback address only.
    hostNetwork: true,
    dnsPolicy: "ClusterFirstWithHostNet",
    terminationGracePeriodSeconds: helper.terminationGracePeriodSeconds,
    containers: [
      {
        name: "helper",
        ...image(helper.image),
        command: ["/bin/sh", "-c"],
        args: ["cedana k8s setup"],
        env: environment(input, "node-agent", { ...AGENT_LITERALS, ...helper.env }),
        ...(engine.exposeDaemon && port !== undefined
          ? { ports: [{ name: "grpc", containerPort: port, hostPort: port, protocol: "TCP" }] }
          : {}),
        resources: helper.resources,
        securityContext: { privileged: true, allowPrivilegeEscalation: true },
        startupProbe: {
          ...check(STARTUP_PERIOD),
          failureThreshold: Math.ceil(helper.startupTimeoutSeconds / STARTUP_PERIOD),
        },
        readinessProbe: { ...check(5), failureThreshold: 1 },
        livenessProbe: { ...check(10), failureThreshold: 6 },
        volumeMounts: [{ name: "host-volume", mountPath: "/host" }, ...socketMount(directory).volumeMounts],
      },
    ],
    volumes: [{ name: "host-volume", hostPath: { path: "/" } }, ...socketMount(directory).volumes],
  });
}

/** Asks the daemon through the address it really listens on; a gRPC probe could not reach a socket or 127.0.0.1. */
function check(periodSeconds: number) {
  const command = ["cedana", "daemon", "check"];
  return { exec: { command }, periodSeconds, timeoutSeconds: 5 } satisfies V1Probe;
}
