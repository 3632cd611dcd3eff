/**
 * The client and the reflector on a real API server, through a proxy that cuts connections; and the fake API server of the
 * unit tests, compared with the real one. Needs CEDANA_INTEGRATION_KUBECONFIG.
 */
import { readFileSync } from "node:fs";
import { connect, createServer, isIP, type AddressInfo, type Server, type Socket } from "node:net";
import { parse } from "yaml";
import { ApiError, KubernetesApi, type Transport, type Method } from "../../kube/client";
import { Metrics, Reflector, Store, createLogger, metadataOf, textsAt } from "../../kube";
import { FakeApi } from "../../testbed/fake-api";
import { eventually, kubeconfig } from "../../testbed/cluster/apiserver";

const config = kubeconfig();
/** The namespace of the last run may still be terminating. */
const NAMESPACE = `controller-reflector-${process.pid}`;
const MAPS = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
const json = (content: unknown) => ({ type: "application/json", content });
const map = (name: string, data: Record<string, string> = {}) => ({ metadata: { name }, data });

/** Returns a client of the kubeconfig's API server, or of a proxy of it, with the kubeconfig's certificates. */
function client(file: string, port?: number): KubernetesApi {
  const { clusters, users } = parse(readFileSync(file, "utf8")) as {
    clusters: { cluster: Record<string, string> }[];
    users: { user: Record<string, string> }[];
  };
  const decoded = (text = "") => Buffer.from(text, "base64");
  const { cluster = {} } = clusters[0] ?? {};
  const { user = {} } = users[0] ?? {};
  const server = new URL(cluster["server"] ?? "");
  const origin = port === undefined ? server.origin : `https://127.0.0.1:${port}`;
  return new KubernetesApi(origin, async (options) => {
    options.ca = decoded(cluster["certificate-authority-data"]);
    options.cert = decoded(user["client-certificate-data"]);
    options.key = decoded(user["client-key-data"]);
    if (!isIP(server.hostname)) options.servername = server.hostname;
  });
}

/** Forwards bytes. Can cut connections and reject new ones. */
class Proxy {
  rejecting = false;
  readonly sockets = new Set<Socket>();
  readonly server: Server;

  constructor(file: string) {
    const { clusters } = parse(readFileSync(file, "utf8")) as { clusters: { cluster: { server: string } }[] };
    const { hostname, port } = new URL(clusters[0]?.cluster.server ?? "");
    this.server = createServer((down) => {
      if (this.rejecting) {
        down.destroy();
        return;
      }
      const up = connect(Number(port || 443), hostname);
      for (const [socket, other] of [
        [down, up],
        [up, down],
      ] as const) {
        this.sockets.add(socket);
        socket.pipe(other);
        socket.on("error", () => {});
        socket.on("close", () => other.destroy());
      }
    }).listen(0, "127.0.0.1");
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }
}

(config === undefined ? describe.skip : describe)("on a real API server", () => {
  let api: KubernetesApi;
  let proxy: Proxy;
  const controller = new AbortController();
  beforeAll(async () => {
    api = client(config ?? "");
    proxy = new Proxy(config ?? "");
    await api.send("POST", "/api/v1/namespaces", json({ metadata: { name: NAMESPACE } }));
  });
  afterAll(async () => {
    controller.abort();
    proxy.cut();
    proxy.server.close();
    await api.send("DELETE", `/api/v1/namespaces/${NAMESPACE}`);
    await api.send("DELETE", "/api/v1/nodes/controller-reflector").catch(() => undefined);
  });

  test("the store stays in sync across pages, dropped connections and concurrent changes", async () => {
    const names = Array.from({ length: 520 }, (_, index) => `m${index}`);
    for (let start = 0; start < names.length; start += 40)
      await Promise.all(
        names.slice(start, start + 40).map((name) => api.send("POST", MAPS, json(map(name)))),
      );
    const store = new Store<{
      metadata: ReturnType<typeof metadataOf>;
      data: Readonly<Record<string, string>>;
    }>();
    const seen = new Map<string, string>();
    const deleted: string[] = [];
    store.onChange(({ key, old, new: now }) => {
      if (seen.get(key) !== old?.metadata.resourceVersion) throw new Error(`a change of ${key} is missing`);
      if (now) seen.set(key, now.metadata.resourceVersion);
      else seen.delete(key);
      if (!now) deleted.push(key.slice(NAMESPACE.length + 1));
    });
    const errors: string[] = [];
    const reflector = new Reflector({
      name: "maps",
      transport: client(config ?? "", proxy.port),
      path: MAPS,
      project: (raw) => ({ metadata: metadataOf(raw), data: textsAt(raw, "data") }),
      store,
      log: createLogger({ level: "error", destination: { write: (line) => void errors.push(line) } }),
      metrics: new Metrics(),
    });
    const running = reflector.run(controller.signal);
    await reflector.synced;
    const same = async () => {
      const { items } = (await api.send("GET", MAPS)) as {
        items: { metadata: { name: string; resourceVersion: string } }[];
      };
      return (
        items.length === store.size &&
        items.every(({ metadata }) => seen.get(`${NAMESPACE}/${metadata.name}`) === metadata.resourceVersion)
      );
    };
    expect(await same()).toBe(true);
    for (let round = 0; round < 3; round++) {
      const value = { type: "application/merge-patch+json", content: { data: { round: String(round) } } };
      const change = names.slice(10 * round, 10 * round + 10);
      const [first = "", second = ""] = change;
      await api.send("DELETE", `${MAPS}/${first}`);
      proxy.rejecting = round % 2 === 0;
      proxy.cut();
      await api.send("DELETE", `${MAPS}/${second}`);
      await api.send("POST", MAPS, json(map(second)));
      await Promise.all(change.slice(2).map((name) => api.send("PATCH", `${MAPS}/${name}`, value)));
      await new Promise((resolve) => setTimeout(resolve, 500));
      proxy.rejecting = false;
      await eventually(15, `the store matches the API server after round ${round}`, same);
    }
    expect([deleted.length, errors]).toEqual([6, []]);
    expect(Date.now() - reflector.lastContactMs).toBeLessThan(20_000);
    controller.abort();
    await running;
  });

  test("the fake API server responds as the real one does", async () => {
    const exchange = async (on: Transport) => {
      const node = "/api/v1/nodes/controller-reflector";
      const responses: unknown[] = [];
      const send = async (method: Method, path: string, type?: string, content?: unknown, query = {}) => {
        const body = type === undefined ? undefined : { type: `application/${type}`, content };
        try {
          const response = (await on.send(method, path, body, { query })) as Response;
          responses.push({ ...brief(response), items: response.items?.map((item) => item.metadata.name) });
          return response;
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          responses.push(`${method} ${error.status} ${error.reason}`);
          return undefined;
        }
      };
      const account = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/integration`;
      const swap = (from: object[], to: object[]) => [
        { op: "test", path: "/imagePullSecrets", value: from },
        { op: "replace", path: "/imagePullSecrets", value: to },
      ];
      const [a, b] = [{ name: "a" }, { name: "b" }];
      const accounts = account.slice(0, account.lastIndexOf("/"));
      await send("POST", accounts, "json", { metadata: { name: "integration" }, imagePullSecrets: [a, b] });
      await send("PATCH", account, "json-patch+json", swap([b, a], []));
      await send("PATCH", account, "json-patch+json", swap([a, b], [b]));
      await send("PATCH", account, "json-patch+json", [{ op: "remove", path: "/none" }]);
      await send("PATCH", account, "json-patch+json", [
        { op: "test", path: "/metadata/resourceVersion", value: "1" },
      ]);
      const created = await send("POST", "/api/v1/nodes", "json", {
        apiVersion: "v1",
        kind: "Node",
        metadata: { name: "controller-reflector", labels: { integration: "reflector" } },
      });
      const list = { labelSelector: "integration=reflector" };
      await send("POST", "/api/v1/nodes", "json", { metadata: { name: "controller-reflector" } });
      await send("PATCH", node, "merge-patch+json", { metadata: { resourceVersion: "1" } });
      await send("PATCH", node, "merge-patch+json", {
        metadata: { annotations: { x: "y" } },
        status: { phase: "Running" },
      });
      for (const status of ["False", "True"])
        await send("PATCH", `${node}/status`, "strategic-merge-patch+json", {
          status: { conditions: [{ type: "CedanaReady", status }] },
        });
      await send("PATCH", `${node}/status`, "strategic-merge-patch+json", {
        status: { conditions: [{ type: "Other", status: "True" }] },
      });
      await send("PATCH", node, "no-patch", {});
      await send("GET", "/api/v1/nodes", undefined, undefined, list);
      await send("GET", `${node}-not`);
      await send("PUT", `${node}-not`, "json", { metadata: { name: "controller-reflector-not" } });
      await send("PUT", node, "json", created);
      await send("DELETE", node, "json", { preconditions: { uid: "other" } });
      const finalizers = { metadata: { finalizers: ["integration.cedana.ai/x"] } };
      await send("PATCH", node, "merge-patch+json", finalizers);
      await send("DELETE", node);
      await send("GET", "/api/v1/nodes", undefined, undefined, list);
      const watched: string[] = [];
      const query = {
        ...list,
        resourceVersion: created?.metadata.resourceVersion ?? "",
        timeoutSeconds: "1",
      };
      const signal = new AbortController().signal;
      const events = on.watch("/api/v1/nodes", { query, signal, idleTimeoutMs: 9000 });
      for await (const { type, object } of events)
        watched.push(`${type} ${JSON.stringify(brief(object as never))}`);
      await send("PATCH", node, "json-patch+json", [{ op: "remove", path: "/metadata/finalizers" }]);
      await send("GET", node);
      await send("GET", "/apis/none.cedana.ai/v1/nones", undefined, undefined, {
        limit: "1",
        continue: "garbage",
      });
      return { responses, watched };
    };
    const real = await exchange(api);
    const fake = await exchange(new FakeApi());
    // The fake serves every kind. For a kind that it does not serve, the real one's response is no Status.
    expect(real.responses.slice(0, -1)).toEqual(fake.responses.slice(0, -1));
    expect(real.responses.at(-1)).toBe("GET 404 undefined");
    // Controllers of Kubernetes also write to the node.
    expect(real.watched).toEqual(expect.arrayContaining(fake.watched));
  });

  // A new API server still has the whole history of nodes; the history of a kind starts with its CRD.
  test("a watch from a version before the history gets the event ERROR 410", async () => {
    const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const names = { plural: "histories", singular: "history", kind: "History" };
    const schema = { openAPIV3Schema: { type: "object" } };
    await api.send(
      "POST",
      crds,
      json({
        metadata: { name: `histories.${NAMESPACE}.cedana.ai` },
        spec: {
          group: `${NAMESPACE}.cedana.ai`,
          names,
          scope: "Cluster",
          versions: [{ name: "v1", served: true, storage: true, schema }],
        },
      }),
    );
    const path = `/apis/${NAMESPACE}.cedana.ai/v1/histories`;
    try {
      await eventually(15, "the kind is served", () =>
        api.send("GET", path).then(
          () => true,
          () => false,
        ),
      );
      const { signal } = new AbortController();
      const seen: unknown[] = [];
      for await (const event of api.watch(path, {
        query: { resourceVersion: "1" },
        signal,
        idleTimeoutMs: 9000,
      })) {
        seen.push(event);
        break;
      }
      expect(seen).toEqual([
        { type: "ERROR", object: expect.objectContaining({ code: 410, reason: "Expired" }) },
      ]);
    } finally {
      await api.send("DELETE", `${crds}/histories.${NAMESPACE}.cedana.ai`);
    }
  });
});

interface Response {
  readonly metadata: {
    name: string;
    resourceVersion: string;
    labels?: object;
    annotations?: object;
    deletionTimestamp?: string;
  };
  readonly imagePullSecrets?: readonly { name: string }[];
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
  readonly items?: readonly Response[];
}

function brief({ metadata, imagePullSecrets, status }: Response): object {
  return {
    name: metadata.name,
    annotation: (metadata.annotations as Record<string, string> | undefined)?.["x"],
    deleted: metadata.deletionTimestamp !== undefined,
    secrets: imagePullSecrets?.map(({ name }) => name),
    // The node lifecycle controller adds other conditions.
    conditions: status?.conditions
      ?.filter(({ type }) => ["CedanaReady", "Other"].includes(type))
      .map((condition) => `${condition.type} ${condition.status}`)
      .toSorted(),
  };
}
