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

test("no ports out leave DNS and the platform: an empty list of ports would let everything out", () => {
  const objects = synth({ networkPolicies: { egressPorts: [] }, dynamoWatcher: { namespaces: ["default"] } });
  for (const name of ["cedana-manager", "cedana-dynamo-watcher"])
    expect(egress(objects, name)).toEqual([[53, 53], [443]]);
});

test("the platform's own port is open, whichever it is", () => {
  expect(egress(synth({}, { url: "https://cedana.example:8443/v1" }))[1]).toContain(8443);
  const given = { networkPolicies: { egressPorts: [5671, 443, 5671] } };
  expect(egress(synth(given))[1]).toEqual([5671, 443]);
  const token = "${TfToken[TOKEN.1]}";
  expect(egress(synth(given, { url: token }))[1]).toEqual([5671, 443]);
});

test("namespaces whose names contain one another do not get into each other's way", () => {
  const objects = synth({
    namespace: "x",
    agentNamespace: "x-binding",
    attachAccount: {},
    manager: { workloadNamespaces: ["a", "a-binding"] },
    dynamoWatcher: { namespaces: ["a", "a-binding"] },
    kueue: {
      localQueues: [
        { namespace: "a-b", name: "c" },
        { namespace: "a", name: "b-c" },
      ],
    },
  });
  expect(objects.filter(({ kind }) => kind === "LocalQueue")).toHaveLength(2);
  expect(
    objects
      .filter(({ metadata }) => metadata.name === "cedana-manager-workloads")
      .map(({ kind, metadata }) => `${kind} ${metadata.namespace}`),
  ).toEqual(["Role a", "RoleBinding a", "Role a-binding", "RoleBinding a-binding"]);
});

test("the attach account can install what is installed, a ServiceMonitor too", () => {
  const groups = (serviceMonitor: boolean) =>
    synth({ attachAccount: {}, manager: { metrics: { serviceMonitor } } })
      .filter(({ kind, metadata }) => kind === "Role" && metadata.name === "cedana-attach")
      .flatMap((role) => (role["rules"] as { apiGroups: string[] }[]).flatMap(({ apiGroups }) => apiGroups));
  expect(groups(true)).toContain("monitoring.coreos.com");
  expect(groups(false)).not.toContain("monitoring.coreos.com");
});

test("the health check can speak over vsock, which the runtime's default seccomp profile forbids", () => {
  const seccomp = (engine: object) => {
    const { healthCheck } = chart({}, engine).agent;
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
