/**
 * The client and the reflector on a real API server, through a proxy that cuts connections; and the API server in
 * memory, of the unit tests, held to what the real one answers. Needs CEDANA_INTEGRATION_KUBECONFIG.
 */
import { readFileSync } from "node:fs";
import { connect, createServer, isIP, type AddressInfo, type Server, type Socket } from "node:net";
import { parse } from "yaml";
import { ApiError, KubernetesApi, type Transport, type Method } from "../../kube/client";
import { Metrics, Reflector, Store, createLogger, metadataOf, textsAt } from "../../kube";
import { FakeApi } from "../support/fake-api";
import { eventually, kubeconfig } from "./support/apiserver";

const config = kubeconfig();
/** A namespace of the last run may still be ending. */
const NAMESPACE = `controller-reflector-${process.pid}`;
const MAPS = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
const json = (content: unknown) => ({ type: "application/json", content });
const map = (name: string, data: Record<string, string> = {}) => ({ metadata: { name }, data });

/** The kubeconfig's API server, or a proxy before it, with the kubeconfig's certificates. */
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

/** Passes bytes on, until it is told to cut and refuse. */
class Proxy {
  refuses = false;
  readonly sockets = new Set<Socket>();
  readonly server: Server;

  constructor(file: string) {
    const { clusters } = parse(readFileSync(file, "utf8")) as { clusters: { cluster: { server: string } }[] };
    const { hostname, port } = new URL(clusters[0]?.cluster.server ?? "");
    this.server = createServer((down) => {
      if (this.refuses) {
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

  test("a store follows through pages, cut connections and what happens meanwhile", async () => {
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
    const gone: string[] = [];
    store.onChange(({ key, old, new: now }) => {
      if (seen.get(key) !== old?.metadata.resourceVersion) throw new Error(`a change of ${key} was missed`);
      if (now) seen.set(key, now.metadata.resourceVersion);
      else seen.delete(key);
      if (!now) gone.push(key.slice(NAMESPACE.length + 1));
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
      proxy.refuses = round % 2 === 0;
      proxy.cut();
      await api.send("DELETE", `${MAPS}/${second}`);
      await api.send("POST", MAPS, json(map(second)));
      await Promise.all(change.slice(2).map((name) => api.send("PATCH", `${MAPS}/${name}`, value)));
      await new Promise((resolve) => setTimeout(resolve, 500));
      proxy.refuses = false;
      await eventually(15, `the store is what the API server has after round ${round}`, same);
    }
    expect([gone.length, errors]).toEqual([6, []]);
    expect(Date.now() - reflector.lastContactMs).toBeLessThan(20_000);
    controller.abort();
    await running;
  });

  test("the API server in memory answers as the real one does", async () => {
    const answers = async (on: Transport) => {
      const node = "/api/v1/nodes/controller-reflector";
      const said: unknown[] = [];
      const ask = async (method: Method, path: string, type?: string, content?: unknown, query = {}) => {
        const body = type === undefined ? undefined : { type: `application/${type}`, content };
        try {
          const answer = (await on.send(method, path, body, { query })) as Answer;
          said.push({ ...brief(answer), items: answer.items?.map((item) => item.metadata.name) });
          return answer;
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          said.push(`${method} ${error.status} ${error.reason}`);
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
      await ask("POST", accounts, "json", { metadata: { name: "integration" }, imagePullSecrets: [a, b] });
      await ask("PATCH", account, "json-patch+json", swap([b, a], []));
      await ask("PATCH", account, "json-patch+json", swap([a, b], [b]));
      await ask("PATCH", account, "json-patch+json", [{ op: "remove", path: "/none" }]);
      await ask("PATCH", account, "json-patch+json", [
        { op: "test", path: "/metadata/resourceVersion", value: "1" },
      ]);
      const made = await ask("POST", "/api/v1/nodes", "json", {
        apiVersion: "v1",
        kind: "Node",
        metadata: { name: "controller-reflector", labels: { integration: "reflector" } },
      });
      const list = { labelSelector: "integration=reflector" };
      await ask("POST", "/api/v1/nodes", "json", { metadata: { name: "controller-reflector" } });
      await ask("PATCH", node, "merge-patch+json", { metadata: { resourceVersion: "1" } });
      await ask("PATCH", node, "merge-patch+json", {
        metadata: { annotations: { x: "y" } },
        status: { phase: "Running" },
      });
      for (const status of ["False", "True"])
        await ask("PATCH", `${node}/status`, "strategic-merge-patch+json", {
          status: { conditions: [{ type: "CedanaReady", status }] },
        });
      await ask("PATCH", `${node}/status`, "strategic-merge-patch+json", {
        status: { conditions: [{ type: "Other", status: "True" }] },
      });
      await ask("PATCH", node, "no-patch", {});
      await ask("GET", "/api/v1/nodes", undefined, undefined, list);
      await ask("GET", `${node}-not`);
      await ask("PUT", `${node}-not`, "json", { metadata: { name: "controller-reflector-not" } });
      await ask("PUT", node, "json", made);
      await ask("DELETE", node, "json", { preconditions: { uid: "other" } });
      const finalizers = { metadata: { finalizers: ["integration.cedana.ai/x"] } };
      await ask("PATCH", node, "merge-patch+json", finalizers);
      await ask("DELETE", node);
      await ask("GET", "/api/v1/nodes", undefined, undefined, list);
      const watched: string[] = [];
      const query = { ...list, resourceVersion: made?.metadata.resourceVersion ?? "", timeoutSeconds: "1" };
      const signal = new AbortController().signal;
      const events = on.watch("/api/v1/nodes", { query, signal, idleTimeoutMs: 9000 });
      for await (const { type, object } of events)
        watched.push(`${type} ${JSON.stringify(brief(object as never))}`);
      await ask("PATCH", node, "json-patch+json", [{ op: "remove", path: "/metadata/finalizers" }]);
      await ask("GET", node);
      await ask("GET", "/apis/none.cedana.ai/v1/nones", undefined, undefined, {
        limit: "1",
        continue: "garbage",
      });
      return { said, watched };
    };
    const real = await answers(api);
    const fake = await answers(new FakeApi());
    // The one in memory serves every kind. The real one's answer for a kind that it does not serve is no Status.
    expect(real.said.slice(0, -1)).toEqual(fake.said.slice(0, -1));
    expect(real.said.at(-1)).toBe("GET 404 undefined");
    // Kubernetes' own controllers write to the node as well.
    expect(real.watched).toEqual(expect.arrayContaining(fake.watched));
  });

  // A young API server still has the whole history of nodes; that of a kind begins with its definition.
  test("a version from before history began is an ERROR event 410", async () => {
    const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const names = { plural: "histories", singular: "history", kind: "History" };
    const schema = { openAPIV3Schema: { type: "object" } };
    await api.send(
      "POST",
      definitions,
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
      await api.send("DELETE", `${definitions}/histories.${NAMESPACE}.cedana.ai`);
    }
  });
});

interface Answer {
  readonly metadata: {
    name: string;
    resourceVersion: string;
    labels?: object;
    annotations?: object;
    deletionTimestamp?: string;
  };
  readonly imagePullSecrets?: readonly { name: string }[];
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
  readonly items?: readonly Answer[];
}

function brief({ metadata, imagePullSecrets, status }: Answer): object {
  return {
    name: metadata.name,
    annotation: (metadata.annotations as Record<string, string> | undefined)?.["x"],
    deleted: metadata.deletionTimestamp !== undefined,
    secrets: imagePullSecrets?.map(({ name }) => name),
    // The node lifecycle controller adds its own.
    conditions: status?.conditions
      ?.filter(({ type }) => ["CedanaReady", "Other"].includes(type))
      .map((condition) => `${condition.type} ${condition.status}`)
      .toSorted(),
  };
}
