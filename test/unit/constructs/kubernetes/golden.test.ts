import { stringify } from "yaml";
import { expectGolden } from "../../../support/golden";
import { CONTROLLER, EVERYTHING, INSTALL, synth, synthCriu, type KubernetesObject } from "./support";

/** Objects as a reviewer reads them: environment as `NAME: where from`, permissions in one line each, the labels that all objects share left out. */
function readable(objects: readonly KubernetesObject[]): string {
  const shared = Object.keys(synth()[0]?.metadata.labels ?? {}).filter(
    (key) => !key.startsWith("pod-security"),
  );
  return objects
    .map(({ metadata, ...object }) => {
      const labels = Object.entries(metadata.labels ?? {}).filter(([key]) => !shared.includes(key));
      return {
        ...object,
        metadata: { ...metadata, labels: labels.length > 0 ? Object.fromEntries(labels) : undefined },
      };
    })
    .map((object) => stringify(JSON.parse(JSON.stringify(object, shorten)), { lineWidth: 0 }))
    .join("---\n");
}

interface Variable {
  name: string;
  value?: string;
  valueFrom?: Record<string, { name: string; key: string; fieldPath?: string }>;
}

function shorten(key: string, value: unknown): unknown {
  if (key.startsWith("checksum/")) return "<sha256>";
  // Rules of Prometheus are kept.
  if (key === "rules" && Array.isArray(value) && !("alert" in (value[0] as object)))
    return value.map(permission);
  if (key !== "env") return value;
  return Object.fromEntries(
    (value as Variable[]).map(({ name, value: plain, valueFrom = {} }) => {
      const [source] = Object.entries(valueFrom);
      return [name, source === undefined ? plain : fromWhere(source)];
    }),
  );
}

function fromWhere([kind, { fieldPath, name, key }]: [
  string,
  { fieldPath?: string; name: string; key: string },
]): string {
  return `${kind} ${fieldPath ?? `${name}/${key}`}`;
}

/** `get,list apps: deployments,daemonsets [names]`. */
function permission(rule: Record<string, string[]>): string {
  const { apiGroups = [], nonResourceURLs = [], resourceNames, resources = [], verbs = [] } = rule;
  const groups = apiGroups.map((group) => group || "core").join();
  const names = resourceNames === undefined ? "" : ` [${resourceNames.join()}]`;
  return `${verbs.join()} ${groups}: ${[...resources, ...nonResourceURLs].join()}${names}`;
}

const component = (name: string) => (object: KubernetesObject) =>
  object.metadata.labels?.["app.kubernetes.io/component"] === name;

/** Compares the objects, of which there must be some, with the file. */
function golden(name: string, objects: readonly KubernetesObject[]): void {
  expect(objects).not.toEqual([]);
  expectGolden(`kubernetes/${name}.yaml`, readable(objects));
}

const CLUSTER = ["Namespace", "RuntimeClass", "ConfigMap", "CustomResourceDefinition"];

const defaults: Record<string, (object: KubernetesObject) => boolean> = {
  helper: component("helper"),
  "health-check": (object) => component("health-check")(object) && object.kind === "DaemonSet",
  manager: (object) =>
    component("manager")(object) && /^(Deployment|Service|PodDisruptionBudget)$/.test(object.kind),
  permissions: ({ kind }) => kind.includes("Role"),
  "network-policies": ({ kind }) => kind === "NetworkPolicy",
  cluster: ({ kind }) => CLUSTER.includes(kind),
};

test.each(Object.keys(defaults))("default: %s", (name) => {
  golden(name, synth().filter(defaults[name] ?? (() => false)));
  expect.hasAssertions();
});

test.each(["attach", "kueue", "dynamo-watcher"])("on demand: %s", (name) => {
  golden(name, synth(INSTALL, EVERYTHING).filter(component(name)));
  expect.hasAssertions();
});

test("on demand: controller", () => {
  const controller = { image: { repository: "registry.example.com/cedana-controller", tag: "0.1.0" } };
  const metrics = { serviceMonitor: true, allowFromNamespaces: [{ team: "monitoring" }] };
  golden("controller", synth({ controller: { ...controller, metrics } }).filter(component("controller")));
  const rule = synth({ controller, readinessGate: { owner: "nodeReadinessRule" } });
  golden(
    "readiness-gate",
    rule.filter(({ kind }) => kind === "NodeReadinessRule"),
  );
  expect.hasAssertions();
});

test("on demand: alarms", () => {
  const { controller } = CONTROLLER;
  const metrics = { prometheusRule: true };
  const all = synthCriu({ controller: { ...(controller as object), metrics } as never });
  golden(
    "criu/alarms",
    all.filter(({ kind }) => kind === "PrometheusRule"),
  );
  expect.hasAssertions();
});

test("on demand: metrics", () => {
  const names = new Set(synth().map(({ kind, metadata }) => `${kind}/${metadata.name}`));
  const more = synth({}, { manager: EVERYTHING.manager }).filter(
    ({ kind, metadata }) => !names.has(`${kind}/${metadata.name}`),
  );
  golden("metrics", more);
  expect(more.map(({ kind }) => kind)).toContain("Service");
});

const agents: Record<string, (object: KubernetesObject) => boolean> = {
  helper: ({ kind, metadata }) => kind === "DaemonSet" && component("helper")({ kind, metadata } as never),
  "health-check": ({ kind, metadata }) =>
    kind === "DaemonSet" && component("health-check")({ kind, metadata } as never),
  permissions: ({ kind }) => kind.includes("Role"),
  guards: ({ kind, metadata }) =>
    kind.startsWith("ValidatingAdmissionPolicy") && !metadata.name.includes("-restore-"),
  restore: ({ kind, metadata }) =>
    /-restore(-(pods|templates|cronjobs))?$/.test(metadata.name) && !kind.includes("Role"),
  settings: ({ kind }) => kind === "ConfigMap",
  "network-policies": ({ kind }) => kind === "NetworkPolicy",
};

test.each(Object.keys(agents))("engine criu: %s", (name) => {
  golden(`criu/${name}`, synthCriu().filter(agents[name]!));
  expect.hasAssertions();
});

test("engine criu: RuntimeClasses", () => {
  golden(
    "criu/runtime-classes",
    synthCriu().filter(({ kind }) => kind === "RuntimeClass"),
  );
  expect.hasAssertions();
});
