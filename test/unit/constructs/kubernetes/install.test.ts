import { App, JsonPatch, Testing } from "cdk8s";
import { formatProblem, InvalidInputError } from "../../../../config/schema/problem";
import type { CedanaEngineSpec, InstallSpec } from "../../../../config";
import { CedanaAgent, CedanaRuntimeClass, Manager } from "../../../../constructs/kubernetes";
import { CedanaChart } from "../../../../stacks/kubernetes";
import { chart, ENGINE, EVERYTHING, INSTALL, synth, type KubernetesObject } from "./support";

const by = (objects: readonly KubernetesObject[], identity: string): KubernetesObject => {
  const found = objects.find(({ kind, metadata }) => `${kind}/${metadata.name}` === identity);
  if (!found) throw new Error(`no ${identity}`);
  return found;
};
const podOf = (object: KubernetesObject) =>
  (object["spec"] as { template: { metadata: { annotations: Record<string, string> }; spec: Pod } }).template;

interface Pod {
  containers: { name: string; image: string; env: { name: string; value?: string }[]; ports?: object[] }[];
  [field: string]: unknown;
}

function problems(install: InstallSpec, engine = {}): string[] {
  try {
    synth(install, engine);
  } catch (error) {
    if (error instanceof InvalidInputError) return error.problems.map(formatProblem);
    throw error;
  }
  return [];
}

test("creates distinct identities, which are the same in each run", () => {
  const identities = (objects: KubernetesObject[]) =>
    objects.map(({ kind, metadata }) => `${kind}/${metadata.namespace ?? ""}/${metadata.name}`);
  const all = identities(synth(INSTALL, EVERYTHING));
  expect(new Set(all).size).toBe(all.length);
  expect(JSON.stringify(synth(INSTALL, EVERYTHING))).toBe(JSON.stringify(synth(INSTALL, EVERYTHING)));
});

test("sets the common labels and configured ones on every object", () => {
  for (const { metadata } of synth(
    { ...INSTALL, labels: { team: "ml" }, annotations: { "a/b": "c" } },
    EVERYTHING,
  )) {
    expect(metadata.labels).toMatchObject({ "app.kubernetes.io/managed-by": "cedana-cdk", team: "ml" });
    expect(metadata.annotations).toMatchObject({ "a/b": "c" });
  }
});

test("writes no secret value and no mutable image tag", () => {
  const text = JSON.stringify(synth(INSTALL, EVERYTHING));
  expect(text).not.toMatch(/"kind":"Secret"/);
  expect(text).not.toMatch(/:latest/);
  for (const [, image = ""] of text.matchAll(/"image":"([^"]+)"/g)) expect(image).toMatch(/[:@][\w.:-]+$/);
});

test("prefers a digest to the tag", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const objects = synth({}, { helper: { image: { digest } } });
  for (const name of ["helper", "health-check"]) {
    expect(podOf(by(objects, `DaemonSet/cedana-${name}`)).spec.containers[0]?.image).toBe(
      `cedana/cedana-helper@${digest}`,
    );
  }
});

test("restarts every program after a change of the configuration", () => {
  const sums = (engine: object) =>
    synth(INSTALL, { ...EVERYTHING, ...engine })
      .filter(({ kind }) => ["DaemonSet", "Deployment"].includes(kind))
      .map((object) => podOf(object).metadata.annotations["checksum/config"]);
  const before = sums({});
  expect(before).toHaveLength(4);
  const after = sums({ logLevel: "debug" });
  for (const sum of before) expect(after).not.toContain(sum);
});

test("uses the configured names and namespaces", () => {
  const objects = synth({ name: "cr", namespace: "cr-system", instance: "cr" });
  expect(by(objects, "DaemonSet/cr-helper").metadata.namespace).toBe("cr-system");
  expect(objects.filter(({ metadata }) => metadata.namespace === "cedana-system")).toEqual([]);
  const kept = ["CustomResourceDefinition", "RuntimeClass", "Namespace"];
  expect(
    objects.filter(({ kind, metadata }) => !kept.includes(kind) && !metadata.name.startsWith("cr-")),
  ).toEqual([]);
});

test("gives each namespace its own Pod Security level and configuration if there is an agent namespace", () => {
  const objects = synth({ agentNamespace: "cedana-agent" });
  const level = (name: string) =>
    by(objects, `Namespace/${name}`).metadata.labels?.["pod-security.kubernetes.io/enforce"];
  expect(level("cedana-system")).toBe("restricted");
  expect(level("cedana-agent")).toBe("privileged");
  expect(
    objects.filter(({ kind }) => kind === "ConfigMap").map(({ metadata }) => metadata.namespace),
  ).toEqual(["cedana-system", "cedana-agent"]);
  expect(by(objects, "DaemonSet/cedana-helper").metadata.namespace).toBe("cedana-agent");
  expect(by(objects, "Deployment/cedana-manager").metadata.namespace).toBe("cedana-system");
  const { env } = podOf(by(objects, "Deployment/cedana-manager")).spec.containers[0] ?? { env: [] };
  expect(env).toContainEqual({ name: "CONTROLLER_NAMESPACE", value: "cedana-agent" });
});

test("runs the health check in the node's network, without an open port, for a daemon on the loopback address", () => {
  const objects = synth({}, { protocol: "tcp" });
  const health = podOf(by(objects, "DaemonSet/cedana-health-check")).spec;
  expect(health).toMatchObject({ hostNetwork: true });
  expect(JSON.stringify(health)).not.toContain("/run/cedana");
  expect(podOf(by(objects, "DaemonSet/cedana-helper")).spec.containers[0]?.ports).toBeUndefined();
});

test("creates a node-local Service for a daemon on all addresses", () => {
  const objects = synth(
    {},
    {
      helper: { service: { annotations: { a: "b" } } },
      protocol: "tcp",
      address: "0.0.0.0:9090",
      exposeDaemon: true,
    },
  );
  expect(by(objects, "Service/cedana-helper-service")).toMatchObject({
    metadata: { annotations: { a: "b" } },
    spec: { internalTrafficPolicy: "Local", ports: [{ port: 9090, targetPort: "grpc" }] },
  });
});

test("reads an existing ConfigMap and creates none", () => {
  const objects = synth({}, { existingConfigMap: "mine" });
  expect(objects.filter(({ kind }) => kind === "ConfigMap")).toEqual([]);
  expect(JSON.stringify(objects)).not.toContain('"cedana-config"');
  expect(JSON.stringify(objects)).toContain('"name":"mine"');
});

test("leaves out disabled components", () => {
  const kinds = synth(
    { createNamespace: false, crds: false, networkPolicies: false },
    { runtimeClass: false },
  ).map(({ kind }) => kind);
  for (const kind of ["Namespace", "CustomResourceDefinition", "NetworkPolicy", "RuntimeClass"]) {
    expect(kinds).not.toContain(kind);
  }
});

test("binds cluster-admin to no account, except with cluster-admin in the input", () => {
  expect(JSON.stringify(synth(INSTALL, EVERYTHING))).not.toContain("cluster-admin");
  const objects = synth({}, { attachAccount: { permissions: "cluster-admin" } });
  expect(by(objects, "ClusterRoleBinding/cedana-attach-cluster-admin")).toMatchObject({
    roleRef: { name: "cluster-admin" },
  });
});

test("keeps the role of each binding with any option, because roleRef is immutable", () => {
  const refs = ([install, engine]: readonly [InstallSpec, Partial<CedanaEngineSpec>]) =>
    synth(install, engine)
      .filter(({ kind }) => kind.endsWith("Binding"))
      .map(({ kind, metadata, roleRef }) => [
        `${kind}/${metadata.namespace ?? ""}/${metadata.name}`,
        JSON.stringify(roleRef),
      ]);
  const variants: [InstallSpec, Partial<CedanaEngineSpec>][] = [
    [INSTALL, EVERYTHING],
    [{}, { attachAccount: {}, dynamoWatcher: { namespaces: "all" }, manager: { workloadNamespaces: "all" } }],
    [{}, { attachAccount: { permissions: "cluster-admin" } }],
    [{ agentNamespace: "cedana-agent" }, { attachAccount: {} }],
  ];
  const distinct = new Set(variants.flatMap(refs).map((pair) => pair.join(" ")));
  expect(new Set(variants.flatMap(refs).map(([identity]) => identity)).size).toBe(distinct.size);
});

test("grants no permission with a wildcard", () => {
  const rules = synth(INSTALL, EVERYTHING).flatMap(
    (object) => (object["rules"] as object[] | undefined) ?? [],
  );
  expect(rules.length).toBeGreaterThan(20);
  expect(JSON.stringify(rules)).not.toContain("*");
});

test("grants the manager writes cluster-wide with workloadNamespaces: all", () => {
  const everywhere = synth({}, { manager: { workloadNamespaces: "all" } });
  expect(by(everywhere, "ClusterRoleBinding/cedana-manager-workloads")).toBeDefined();
  expect(everywhere.filter(({ metadata }) => metadata.namespace === "default")).toEqual([]);
});

test("lets the Dynamo watcher write Services only for load balancers", () => {
  const verbs = (createLoadBalancer: boolean) =>
    (
      by(
        synth({}, { dynamoWatcher: { namespaces: "all", createLoadBalancer } }),
        "ClusterRole/cedana-dynamo-watcher",
      )["rules"] as { resources: string[]; verbs: string[] }[]
    ).find(({ resources }) => resources.includes("services"))?.verbs;
  expect(verbs(false)).toEqual(["get", "list", "watch"]);
  expect(verbs(true)).toContain("create");
});

test("adds sync waves to every object, in the order of their dependencies", () => {
  const wave = ({ metadata }: KubernetesObject) =>
    Number(metadata.annotations?.["argocd.argoproj.io/sync-wave"]);
  expect(synth().every((object) => Number.isNaN(wave(object)))).toBe(true);
  const objects = synth({ ...INSTALL, syncWaves: true }, EVERYTHING);
  expect(objects.every((object) => Number.isInteger(wave(object)))).toBe(true);
  const of = (identity: string) => wave(by(objects, identity));
  expect(of("Namespace/cedana-system")).toBeLessThan(of("ConfigMap/cedana-config"));
  expect(of("ClusterRole/cedana-manager-role")).toBeLessThan(of("ClusterRoleBinding/cedana-manager-role"));
  expect(of("ClusterRoleBinding/cedana-manager-role")).toBeLessThan(of("Deployment/cedana-manager"));
});

test("applies overrides to fields without a property", () => {
  const made = chart();
  made.engine.agent.helper.addJsonPatch(JsonPatch.add("/spec/minReadySeconds", 10));
  expect(made.engine.agent.helper.toJson()).toMatchObject({ spec: { minReadySeconds: 10 } });
});

test("creates single constructs, and names the construct in an error", () => {
  const app = new App();
  const own = new CedanaChart(app, "own", { engine: ENGINE });
  expect(() => new CedanaAgent(own, "second", { engine: { ...ENGINE, url: "x" } })).toThrow(
    /^own\/second: 1 problem\n {2}url /,
  );
  expect(new Manager(own, "other", { engine: ENGINE, install: { name: "other" } }).deployment.name).toBe(
    "other-manager",
  );
  const plain = Testing.chart();
  expect(new CedanaRuntimeClass(plain, "class", { engine: ENGINE }).runtimeClass.name).toBe("cedana");
});

test.each<[string, InstallSpec, Partial<CedanaEngineSpec>?]>([
  ["an unknown key", { manger: {} } as InstallSpec],
  ["the tag latest", {}, { helper: { image: { tag: "latest" } } }],
  ["a tag that is not a version", {}, { helper: { image: { tag: "stable" } } }],
  ["a bad digest", {}, { manager: { image: { digest: "sha256:1" } } }],
  ["a tag within the repository", {}, { manager: { image: { repository: "a/b@sha256:1" } } }],
  ["a long name", { name: "a".repeat(41) }],
  ["a bad namespace", { namespace: "Cedana" }],
  [
    "a variable that the toolkit sets",
    { helper: { env: { CEDANA_URL: "x" } } },
    { manager: { env: { CEDANA_TAINT_NODES: "no" } } },
  ],
  ["a secret in a variable", { helper: { env: { MORE: "AKIAIOSFODNN7EXAMPLE" } } }],
  ["a Service for a daemon without a port", {}, { helper: { service: {} } }],
  [
    "a toleration of the startup taint",
    {},
    { runtimeClass: { tolerations: [{ key: "cedana.ai/not-ready", operator: "Exists" }] } },
  ],
  [
    "queues that Kueue rejects",
    {
      kueue: {
        localQueues: [],
        flavors: [
          { name: "a", quotas: { cpu: "1" } },
          {
            name: "a",
            quotas: { memory: "1Gi" },
            nodeTaints: [{ key: "cedana.ai/not-ready", effect: "NoSchedule" }],
          },
        ],
      },
    },
  ],
  ["queues without flavor", { kueue: { localQueues: [{ namespace: "a" }], flavors: [] } }],
])("rejects %s", (_, install, engine = {}) => {
  expect(problems(install, engine)).toMatchSnapshot();
});
