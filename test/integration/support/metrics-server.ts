import { createServer, type Server } from "node:https";
import { networkInterfaces } from "node:os";
import type { AddressInfo } from "node:net";
import { eventually, type ApiServer, type KubernetesObject } from "../../../testbed/cluster/apiserver";
import { CERTIFICATE, KEY } from "../../support/certificate";
import { apply } from "./apiserver-install";

const ROOT = "/apis/metrics.k8s.io/v1beta1";

/** The aggregated API metrics.k8s.io, as metrics-server serves it, with the memory that a test sets. */
export class MetricsServer {
  /** Bytes by container, by `namespace/pod`. */
  private readonly memory = new Map<string, Readonly<Record<string, number>>>();
  private server?: Server;
  private objects: readonly KubernetesObject[] = [];
  /** Paths that were read. */
  readonly seen: string[] = [];

  constructor(
    private readonly api: ApiServer,
    private readonly namespace: string,
  ) {}

  set(pod: string, containers: Readonly<Record<string, number>>): void {
    this.memory.set(pod, containers);
  }

  /** Registers it at the API server, and waits until that serves it. */
  async start(): Promise<void> {
    const address = addressOfThisMachine();
    const server = createServer({ key: KEY, cert: CERTIFICATE }, ({ url = "" }, response) => {
      const path = url.split("?")[0] ?? "";
      this.seen.push(path);
      const body = this.respond(path);
      response.writeHead(body === undefined ? 404 : 200, { "content-type": "application/json" });
      response.end(JSON.stringify(body ?? {}));
    });
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    this.server = server;
    const { port } = server.address() as AddressInfo;
    this.objects = [
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "metrics", namespace: this.namespace },
        spec: { ports: [{ name: "https", port: 443, targetPort: port }] },
      },
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: {
          name: "metrics",
          namespace: this.namespace,
          labels: { "kubernetes.io/service-name": "metrics" },
        },
        addressType: "IPv4",
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
        ports: [{ name: "https", port }],
      },
      {
        apiVersion: "apiregistration.k8s.io/v1",
        kind: "APIService",
        metadata: { name: "v1beta1.metrics.k8s.io" },
        spec: {
          group: "metrics.k8s.io",
          version: "v1beta1",
          groupPriorityMinimum: 100,
          versionPriority: 100,
          insecureSkipTLSVerify: true,
          service: { name: "metrics", namespace: this.namespace },
        },
      },
    ];
    for (const object of this.objects) await apply(this.api, object);
    await eventually(60, "metrics.k8s.io is served", async () => {
      const { status } = await this.api.request("GET", `${ROOT}/namespaces/${this.namespace}/pods`);
      return status === 200;
    });
  }

  async stop(): Promise<void> {
    for (const object of this.objects.toReversed()) await this.api.delete(object);
    this.server?.closeAllConnections();
    await new Promise((resolve) => this.server?.close(resolve));
  }

  private respond(path: string): object | undefined {
    if (path === ROOT) {
      const pods = {
        name: "pods",
        singularName: "",
        namespaced: true,
        kind: "PodMetrics",
        verbs: ["get", "list"],
      };
      return {
        kind: "APIResourceList",
        apiVersion: "v1",
        groupVersion: "metrics.k8s.io/v1beta1",
        resources: [pods],
      };
    }
    const namespace = new RegExp(`^${ROOT}/namespaces/([^/]+)/pods$`).exec(path)?.[1];
    if (namespace === undefined) return undefined;
    const items = [...this.memory].flatMap(([key, containers]) => {
      const [home, name] = key.split("/");
      if (home !== namespace) return [];
      return {
        metadata: { name, namespace },
        timestamp: new Date().toISOString(),
        window: "15s",
        containers: Object.entries(containers).map(([container, bytes]) => ({
          name: container,
          usage: { cpu: "1m", memory: `${Math.ceil(bytes / 1024)}Ki` },
        })),
      };
    });
    return { kind: "PodMetricsList", apiVersion: "metrics.k8s.io/v1beta1", metadata: {}, items };
  }
}

/** Returns an address of this machine that an EndpointSlice may have, which is not of the loopback device. */
function addressOfThisMachine(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const found = all.find(({ family, internal }) => family === "IPv4" && !internal);
  if (!found) throw new Error("this machine has no IPv4 address but that of the loopback device");
  return found.address;
}
