import type { V1DaemonSet } from "@kubernetes/client-node";
import { AGENT_LITERALS, socketDirectory } from "../../../config/engines";
import { configChecksum, environment } from "../environment";
import type { CedanaInput } from "../input";
import type { Manifest } from "../object";
import { image, UNPRIVILEGED } from "../pod";
import { daemonSet, socketMount } from "./daemon-set";

/** Sleeps until it is told to stop. A bare sleep as process 1 would not hear SIGTERM. */
const WAIT = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done";

/**
 * The health check: asks the daemon of its node for everything it can check of itself. It is a client of the daemon's
 * socket and needs no privilege. The kubelet runs the check, so the pod's readiness is never older than one period.
 */
export function healthCheckDaemonSet(input: CedanaInput): Manifest<V1DaemonSet> {
  const { engine, install } = input;
  const { healthCheck, helper } = install;
  const socket = socketMount(socketDirectory(engine), true);
  return daemonSet(install, "health-check", healthCheck, configChecksum(input, "node-agent"), {
    // 127.0.0.1 of the node is reached from its own network namespace only.
    ...(engine.protocol === "tcp" ? { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" } : {}),
    terminationGracePeriodSeconds: 5,
    containers: [
      {
        name: "health-check",
        ...image(helper.image),
        command: ["/bin/sh", "-c", WAIT],
        env: environment(input, "node-agent", { ...AGENT_LITERALS, ...healthCheck.env }),
        resources: healthCheck.resources,
        // The image names no user; the daemon's socket is open to every user.
        securityContext: {
          ...UNPRIVILEGED,
          runAsUser: 65_532,
          runAsGroup: 65_532,
          // containerd's default profile forbids sockets of the family AF_VSOCK.
          ...(engine.protocol === "vsock" ? { seccompProfile: { type: "Unconfined" } } : {}),
        },
        readinessProbe: {
          exec: { command: ["cedana", "daemon", "check", "--full"] },
          periodSeconds: healthCheck.periodSeconds,
          timeoutSeconds: healthCheck.timeoutSeconds,
          failureThreshold: 1,
        },
        volumeMounts: [{ name: "tmp", mountPath: "/tmp" }, ...socket.volumeMounts],
      },
    ],
    volumes: [{ name: "tmp", emptyDir: { sizeLimit: "16Mi" } }, ...socket.volumes],
  });
}
