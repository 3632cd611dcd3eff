import type {
  V1DaemonSet,
  V1Probe,
  V1Service,
  V1ServiceAccount,
  V1Volume,
  V1VolumeMount,
} from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { AGENT_LITERALS, daemonPort, socketDirectory } from "../../../../config/engines/cedana";
import { agentNamespace, namesOf, selectorLabels } from "../../../../config/install";
import { UNPRIVILEGED, daemonSet, image } from "../../pod";
import type { EngineProps } from "../../input";
import { metadata, object, type Manifest } from "../../object";
import type { AgentConstruct } from "../engine";
import { configChecksum, environment } from "./config";
import { cedanaInputOf, type CedanaInput } from "./input";

/** The agent of the engine `cedana`: helper and health check on each node, from Cedana's image. */
export class CedanaAgent extends Construct implements AgentConstruct {
  readonly serviceAccount: ApiObject;
  readonly helper: ApiObject;
  readonly healthCheck: ApiObject;
  /** Only with `engine.helper.service`. */
  readonly service?: ApiObject;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = cedanaInputOf(this, props);
    const { engine, install, names } = input;
    const namespace = agentNamespace(install);

    this.serviceAccount = object<V1ServiceAccount>(this, "service-account", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadata(install, { name: namesOf(install).agentAccount, namespace }),
      automountServiceAccountToken: false,
    });
    this.helper = object(this, "helper", helperDaemonSet(input));
    this.healthCheck = object(this, "health-check", healthCheckDaemonSet(input));
    const { service } = engine.helper;
    if (!service) return;
    this.service = object<V1Service>(this, "service", {
      apiVersion: "v1",
      kind: "Service",
      metadata: metadata(install, {
        name: names.helperService,
        namespace,
        component: "helper",
        annotations: service.annotations,
      }),
      spec: {
        type: "ClusterIP",
        internalTrafficPolicy: "Local",
        ports: [{ name: "grpc", port: daemonPort(engine) ?? 0, protocol: "TCP", targetPort: "grpc" }],
        selector: selectorLabels(install, "helper"),
      },
    });
  }
}

/** Seconds between two checks of the daemon while it is being installed. */
const STARTUP_PERIOD = 10;

/**
 * Returns the helper: `cedana k8s setup` installs Cedana's daemon on its node and then serves the platform's requests. It
 * works as the host (chroot to /host, systemd, the host's package manager), hence root, the host's PID, IPC and network
 * namespaces and its file system. The published image offers no part of this on its own.
 */
function helperDaemonSet(input: CedanaInput): Manifest<V1DaemonSet> {
  const { engine, install } = input;
  const { helper } = install;
  const socket = socketMount(socketDirectory(engine));
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
        ...image(engine.helper.image),
        command: ["/bin/sh", "-c"],
        args: ["cedana k8s setup"],
        env: environment(input, "node-agent", { ...AGENT_LITERALS, ...helper.env }),
        ...(engine.exposeDaemon && port !== undefined
          ? { ports: [{ name: "grpc", containerPort: port, hostPort: port, protocol: "TCP" }] }
          : {}),
        resources: helper.resources,
        securityContext: { privileged: true, allowPrivilegeEscalation: true },
        startupProbe: {
          ...daemonCheck(STARTUP_PERIOD),
          failureThreshold: Math.ceil(engine.helper.startupTimeoutSeconds / STARTUP_PERIOD),
        },
        readinessProbe: { ...daemonCheck(5), failureThreshold: 1 },
        livenessProbe: { ...daemonCheck(10), failureThreshold: 6 },
        volumeMounts: [{ name: "host-volume", mountPath: "/host" }, ...socket.volumeMounts],
      },
    ],
    volumes: [{ name: "host-volume", hostPath: { path: "/" } }, ...socket.volumes],
  });
}

/** Returns a probe of the daemon at the address where it listens. A gRPC probe cannot reach a socket or 127.0.0.1. */
function daemonCheck(periodSeconds: number) {
  const command = ["cedana", "daemon", "check"];
  return { exec: { command }, periodSeconds, timeoutSeconds: 5 } satisfies V1Probe;
}

/** Waits for a signal. A bare sleep as process 1 would ignore SIGTERM. */
const WAIT = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done";

/**
 * Returns the health check, whose readiness probe requests the full self-check of the node's daemon. It is a client of
 * the daemon's socket and needs no privilege. The kubelet runs the probe, so the pod's readiness is at most one period old.
 */
function healthCheckDaemonSet(input: CedanaInput): Manifest<V1DaemonSet> {
  const { engine, install } = input;
  const { healthCheck } = install;
  const socket = socketMount(socketDirectory(engine), true);
  return daemonSet(install, "health-check", healthCheck, configChecksum(input, "node-agent"), {
    // 127.0.0.1 of the node is reached from its own network namespace only.
    ...(engine.protocol === "tcp" ? { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" } : {}),
    terminationGracePeriodSeconds: 5,
    containers: [
      {
        name: "health-check",
        ...image(engine.helper.image),
        command: ["/bin/sh", "-c", WAIT],
        env: environment(input, "node-agent", { ...AGENT_LITERALS, ...healthCheck.env }),
        resources: healthCheck.resources,
        // The image sets no user. The daemon's socket is open to every user.
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

/** Returns the directory of the daemon's socket, at the same path in the pod as on the node. */
function socketMount(
  directory: string | undefined,
  readOnly?: true,
): { readonly volumes: V1Volume[]; readonly volumeMounts: V1VolumeMount[] } {
  if (directory === undefined) return { volumes: [], volumeMounts: [] };
  return {
    volumes: [{ name: "socket", hostPath: { path: directory, type: "DirectoryOrCreate" } }],
    volumeMounts: [{ name: "socket", mountPath: directory, ...(readOnly ? { readOnly } : {}) }],
  };
}
