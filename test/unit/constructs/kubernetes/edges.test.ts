import type { InstallSpec } from "../../../../config";
import { chart, synth, type KubernetesObject } from "./support";

function named(objects: readonly KubernetesObject[], kind: string, name: string) {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (!found) throw new Error(`no ${kind}/${name}`);
  return found as KubernetesObject & { spec: Record<string, unknown> };
}

type Ports = readonly { ports?: readonly { port: number }[] }[];
const egress = (objects: readonly KubernetesObject[], name = "cedana-manager") =>
  (named(objects, "NetworkPolicy", name).spec["egress"] as Ports).map(({ ports = [] }) =>
    ports.map(({ port }) => port),
  );

test("allows only DNS and the platform without egress ports, because an empty list of ports would allow all", () => {
  const objects = synth(
    { networkPolicies: { egressPorts: [] } },
    { dynamoWatcher: { namespaces: ["default"] } },
  );
  for (const name of ["cedana-manager", "cedana-dynamo-watcher"])
    expect(egress(objects, name)).toEqual([[53, 53], [443]]);
});

test("allows egress to the port of the platform's URL", () => {
  expect(egress(synth({}, { url: "https://cedana.example:8443/v1" }))[1]).toContain(8443);
  const given = { networkPolicies: { egressPorts: [5671, 443, 5671] } };
  expect(egress(synth(given))[1]).toEqual([5671, 443]);
  const token = "${TfToken[TOKEN.1]}";
  expect(egress(synth(given, { url: token }))[1]).toEqual([5671, 443]);
});

test("replaces namespaces correctly if one name contains another", () => {
  const objects = synth(
    {
      namespace: "x",
      agentNamespace: "x-binding",
      kueue: {
        localQueues: [
          { namespace: "a-b", name: "c" },
          { namespace: "a", name: "b-c" },
        ],
      },
    },
    {
      attachAccount: {},
      manager: { workloadNamespaces: ["a", "a-binding"] },
      dynamoWatcher: { namespaces: ["a", "a-binding"] },
    },
  );
  expect(objects.filter(({ kind }) => kind === "LocalQueue")).toHaveLength(2);
  expect(
    objects
      .filter(({ metadata }) => metadata.name === "cedana-manager-workloads")
      .map(({ kind, metadata }) => `${kind} ${metadata.namespace}`),
  ).toEqual(["Role a", "RoleBinding a", "Role a-binding", "RoleBinding a-binding"]);
});

test("gives the attach account the permissions to install all objects, including a ServiceMonitor", () => {
  const groups = (serviceMonitor: boolean) =>
    synth({}, { attachAccount: {}, manager: { metrics: { serviceMonitor } } })
      .filter(({ kind, metadata }) => kind === "Role" && metadata.name === "cedana-attach")
      .flatMap((role) => (role["rules"] as { apiGroups: string[] }[]).flatMap(({ apiGroups }) => apiGroups));
  expect(groups(true)).toContain("monitoring.coreos.com");
  expect(groups(false)).not.toContain("monitoring.coreos.com");
});

test("allows vsock in the health check's seccomp profile, because the default profile forbids it", () => {
  const seccomp = (engine: object) => {
    const { healthCheck } = chart({}, engine).engine.agent;
    const made = healthCheck.toJson() as {
      spec: { template: { spec: { containers: { securityContext: object }[] } } };
    };
    return made.spec.template.spec.containers[0]?.securityContext;
  };
  expect(seccomp({ protocol: "vsock", address: "3:1024" })).toMatchObject({
    capabilities: { drop: ["ALL"] },
    seccompProfile: { type: "Unconfined" },
  });
  expect(seccomp({})).toMatchObject({ seccompProfile: { type: "RuntimeDefault" } });
});

test("prefers a label of a program's pods to the common label, and selector labels to both", () => {
  const component = "app.kubernetes.io/component";
  const podLabels = { team: "own", [component]: "mine" };
  const install = {
    labels: { team: "all", [component]: "mine" },
    helper: { podLabels },
    healthCheck: { podLabels },
  };
  const engine = { manager: { podLabels }, dynamoWatcher: { namespaces: ["default"], podLabels } };
  for (const { spec } of pods(synth(install, engine))) {
    expect(spec.template.metadata.labels).toMatchObject({ ...spec.selector.matchLabels, team: "own" });
  }
});

interface Pods {
  metadata: { name: string };
  spec: {
    selector: { matchLabels: Record<string, string> };
    template: {
      metadata: { labels: Record<string, string> };
      spec: { containers: { env: { name: string; value?: string; valueFrom?: object }[] }[] };
    };
  };
}

const pods = (objects: readonly KubernetesObject[]) =>
  objects.filter(({ kind }) => kind === "DaemonSet" || kind === "Deployment") as unknown as Pods[];
const EVERY_PROGRAM = { dynamoWatcher: { namespaces: ["default"] } };

/** Returns the programs whose pods restart after a change of the engine. */
function restartedPrograms(engine: object, before: object = {}): string[] {
  const old = pods(synth({}, { ...EVERY_PROGRAM, ...before }));
  const now = pods(synth({}, { ...EVERY_PROGRAM, ...before, ...engine }));
  return now
    .filter(({ spec }, index) => JSON.stringify(spec.template) !== JSON.stringify(old[index]?.spec.template))
    .map(({ metadata }) => metadata.name);
}

const ALL = ["cedana-helper", "cedana-health-check", "cedana-manager", "cedana-dynamo-watcher"];

// A helper that restarts stops the daemon of its node, and all checkpoints in flight there.
test.each<[string, object, string[]]>([
  ["a value that all programs read", { logLevel: "debug" }, ALL],
  ["a value of the agent", { gpuPoolSize: 2 }, ALL.slice(0, 2)],
  ["a value of the manager", { sqsQueueUrl: "https://sqs.eu-west-1.amazonaws.com/1/q" }, ["cedana-manager"]],
  ["the platform's token", { secrets: { authToken: { name: "other", key: "token" } } }, ALL],
  ["the agent's keys", { secrets: { awsAccessKeyId: { name: "keys", key: "id" } } }, ALL.slice(0, 2)],
  ["nothing", { gpuPoolSize: 0, logLevel: "info" }, []],
])("restarts only the programs that read %s", (_, engine, programs) => {
  expect(restartedPrograms(engine)).toEqual(programs);
});

test("restarts no pods after a change of a value that an existing ConfigMap overrides", () => {
  expect(restartedPrograms({ gpuPoolSize: 2, logLevel: "debug" }, { existingConfigMap: "mine" })).toEqual([]);
});

test("reads only keys that the ConfigMap of Cedana's chart has", () => {
  const native = pods(synth({}, { existingConfigMap: "mine" }))
    .flatMap(({ spec }) => spec.template.spec.containers)
    .flatMap(({ env }) => env.filter(({ name }) => name === "CEDANA_PLUGINS_NATIVE_VERSION"));
  const literal = { name: "CEDANA_PLUGINS_NATIVE_VERSION", value: "v0.9.297" };
  expect(native).toEqual([literal, literal]);
});

test("selects no pods of another install in the same namespace", () => {
  const selectors = (name: string) =>
    pods(synth({ name }, EVERY_PROGRAM)).map(({ spec }) => JSON.stringify(spec.selector));
  expect(new Set([...selectors("cedana"), ...selectors("second")]).size).toBe(8);
});

test("shares only the namespace and the kinds between two installs, and can leave out both", () => {
  const identities = (install: InstallSpec, runtimeClass = {}) =>
    synth(install, { ...EVERY_PROGRAM, runtimeClass }).map(
      ({ kind, metadata }) => `${kind}/${metadata.namespace ?? ""}/${metadata.name}`,
    );
  const first = new Set(identities({}));
  const second = (more: InstallSpec) => identities({ name: "second", ...more }, { name: "cedana-second" });
  expect(second({}).filter((identity) => first.has(identity))).toEqual([
    "Namespace//cedana-system",
    "CustomResourceDefinition//cedanas.core.cedana.ai",
    "CustomResourceDefinition//checkpoints.automation.cedana.ai",
  ]);
  expect(second({ crds: false, createNamespace: false }).filter((identity) => first.has(identity))).toEqual(
    [],
  );
});

test("admits workloads of queues to nodes with the agent, whatever their label", () => {
  const labels = (flavors?: { nodeLabels: Record<string, string> }[]) => {
    const kueue = { localQueues: [{ namespace: "default" }], ...(flavors && { flavors }) };
    return named(synth({ nodeSelector: { pool: "cr" }, kueue }), "ResourceFlavor", "cedana").spec[
      "nodeLabels"
    ];
  };
  expect(labels()).toEqual({ pool: "cr" });
  expect(labels([{ nodeLabels: { model: "a10g" } }])).toEqual({ model: "a10g" });
});
