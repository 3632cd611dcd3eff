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

test("identities are distinct, and the same each time", () => {
  const identities = (objects: KubernetesObject[]) =>
    objects.map(({ kind, metadata }) => `${kind}/${metadata.namespace ?? ""}/${metadata.name}`);
  const all = identities(synth(INSTALL, EVERYTHING));
  expect(new Set(all).size).toBe(all.length);
  expect(JSON.stringify(synth(INSTALL, EVERYTHING))).toBe(JSON.stringify(synth(INSTALL, EVERYTHING)));
});

test("every object carries the shared labels, and further ones", () => {
  for (const { metadata } of synth(
    { ...INSTALL, labels: { team: "ml" }, annotations: { "a/b": "c" } },
    EVERYTHING,
  )) {
    expect(metadata.labels).toMatchObject({ "app.kubernetes.io/managed-by": "cedana-cdk", team: "ml" });
    expect(metadata.annotations).toMatchObject({ "a/b": "c" });
  }
});

test("no secret value and no moving image is ever in the output", () => {
  const text = JSON.stringify(synth(INSTALL, EVERYTHING));
  expect(text).not.toMatch(/"kind":"Secret"/);
  expect(text).not.toMatch(/:latest/);
  for (const [, image = ""] of text.matchAll(/"image":"([^"]+)"/g)) expect(image).toMatch(/[:@][\w.:-]+$/);
});

test("a digest goes before the tag", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const objects = synth({}, { helper: { image: { digest } } });
  for (const name of ["helper", "health-check"]) {
    expect(podOf(by(objects, `DaemonSet/cedana-${name}`)).spec.containers[0]?.image).toBe(
      `cedana/cedana-helper@${digest}`,
    );
  }
});

test("a change of the configuration starts every program anew", () => {
  const sums = (engine: object) =>
    synth(INSTALL, { ...EVERYTHING, ...engine })
      .filter(({ kind }) => ["DaemonSet", "Deployment"].includes(kind))
      .map((object) => podOf(object).metadata.annotations["checksum/config"]);
  const before = sums({});
  expect(before).toHaveLength(4);
  const after = sums({ logLevel: "debug" });
  for (const sum of before) expect(after).not.toContain(sum);
});

test("names and namespaces follow the options", () => {
  const objects = synth({ name: "cr", namespace: "cr-system", instance: "cr" });
  expect(by(objects, "DaemonSet/cr-helper").metadata.namespace).toBe("cr-system");
  expect(objects.filter(({ metadata }) => metadata.namespace === "cedana-system")).toEqual([]);
  const kept = ["CustomResourceDefinition", "RuntimeClass", "Namespace"];
  expect(
    objects.filter(({ kind, metadata }) => !kept.includes(kind) && !metadata.name.startsWith("cr-")),
  ).toEqual([]);
});

test("with an agent namespace, each namespace has its own Pod Security level and configuration", () => {
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

test("a daemon on the loopback address: the health check shares the node's network, no port is open", () => {
  const objects = synth({}, { protocol: "tcp" });
  const health = podOf(by(objects, "DaemonSet/cedana-health-check")).spec;
  expect(health).toMatchObject({ hostNetwork: true });
  expect(JSON.stringify(health)).not.toContain("/run/cedana");
  expect(podOf(by(objects, "DaemonSet/cedana-helper")).spec.containers[0]?.ports).toBeUndefined();
});

test("an open daemon can have a Service, which stays on the node", () => {
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

test("an existing ConfigMap is read and none is made", () => {
  const objects = synth({}, { existingConfigMap: "mine" });
  expect(objects.filter(({ kind }) => kind === "ConfigMap")).toEqual([]);
  expect(JSON.stringify(objects)).not.toContain('"cedana-config"');
  expect(JSON.stringify(objects)).toContain('"name":"mine"');
});

test("parts can be left out", () => {
  const kinds = synth(
    { createNamespace: false, crds: false, networkPolicies: false },
    { runtimeClass: false },
  ).map(({ kind }) => kind);
  for (const kind of ["Namespace", "CustomResourceDefinition", "NetworkPolicy", "RuntimeClass"]) {
    expect(kinds).not.toContain(kind);
  }
});

test("cluster-admin is given to nobody, unless it is asked for by name", () => {
  expect(JSON.stringify(synth(INSTALL, EVERYTHING))).not.toContain("cluster-admin");
  const asked = synth({}, { attachAccount: { permissions: "cluster-admin" } });
  expect(by(asked, "ClusterRoleBinding/cedana-attach-cluster-admin")).toMatchObject({
    roleRef: { name: "cluster-admin" },
  });
});

test("no option changes the role of a binding, which no cluster lets one do", () => {
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

test("no right is granted with a wildcard", () => {
  const rules = synth(INSTALL, EVERYTHING).flatMap(
    (object) => (object["rules"] as object[] | undefined) ?? [],
  );
  expect(rules.length).toBeGreaterThan(20);
  expect(JSON.stringify(rules)).not.toContain("*");
});

test("the manager writes everywhere only if told so", () => {
  const everywhere = synth({}, { manager: { workloadNamespaces: "all" } });
  expect(by(everywhere, "ClusterRoleBinding/cedana-manager-workloads")).toBeDefined();
  expect(everywhere.filter(({ metadata }) => metadata.namespace === "default")).toEqual([]);
});

test("the Dynamo watcher writes Services only to make load balancers", () => {
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

test("sync waves are on every object, if asked for, in the order in which one stands on another", () => {
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

test("an object can be changed where no property reaches", () => {
  const made = chart();
  made.engine.agent.helper.addJsonPatch(JsonPatch.add("/spec/minReadySeconds", 10));
  expect(made.engine.agent.helper.toJson()).toMatchObject({ spec: { minReadySeconds: 10 } });
});

test("constructs stand alone, and say who complains", () => {
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
  ["a moving tag", {}, { helper: { image: { tag: "latest" } } }],
  ["a tag that is no version", {}, { helper: { image: { tag: "stable" } } }],
  ["a bad digest", {}, { manager: { image: { digest: "sha256:1" } } }],
  ["a tag within the repository", {}, { manager: { image: { repository: "a/b@sha256:1" } } }],
  ["a long name", { name: "a".repeat(41) }],
  ["a bad namespace", { namespace: "Cedana" }],
  [
    "a variable of its own",
    { helper: { env: { CEDANA_URL: "x" } } },
    { manager: { env: { CEDANA_TAINT_NODES: "no" } } },
  ],
  ["a secret in a variable", { helper: { env: { MORE: "AKIAIOSFODNN7EXAMPLE" } } }],
  ["a Service to nowhere", {}, { helper: { service: {} } }],
  [
    "the gate tolerated",
    {},
    { runtimeClass: { tolerations: [{ key: "cedana.ai/not-ready", operator: "Exists" }] } },
  ],
  [
    "queues that Kueue refuses",
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
])("refused: %s", (_, install, engine = {}) => {
  expect(problems(install, engine)).toMatchSnapshot();
});
