import { Chart, Testing } from "cdk8s";
import { readAgentSettings } from "../../../../config/programs/agent";
import { readControllerSettings } from "../../../../config/programs/controller";
import { CriuAgentRemoval } from "../../../../constructs/kubernetes/engines/criu";
import { CONTROLLER, CRIU, synthCriu, synthOpen, type KubernetesObject } from "./support";

interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly securityContext: {
    readonly privileged?: boolean;
    readonly capabilities: { readonly drop: string[]; readonly add?: string[] };
  };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Pod extends Record<string, unknown> {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
}

const pods = (objects: readonly KubernetesObject[]) =>
  objects
    .filter(({ kind }) => kind === "DaemonSet")
    .map((object) => ({
      name: object.metadata.name,
      pod: (object["spec"] as { template: { spec: Pod } }).template.spec,
    }));
const names = (objects: readonly KubernetesObject[], kind: string) =>
  objects.filter((one) => one.kind === kind).map(({ metadata }) => metadata.name);
const settingsOf = (objects: readonly KubernetesObject[], name: string) =>
  (
    objects.find(({ kind, metadata }) => kind === "ConfigMap" && metadata.name === name)?.["data"] as
      | Record<string, string>
      | undefined
  )?.["settings.json"] ?? "";

test("writes settings that the programs read", () => {
  const objects = synthCriu(
    { agentNamespace: "agents" },
    { tcp: "loopback", runtimeClasses: { arm64: false } },
  );
  expect(readAgentSettings(settingsOf(objects, "cedana-agent-settings"))).toMatchObject({
    value: { engine: "criu", namespace: "agents", socket: "/run/cedana-cdk/node/node.sock" },
  });
  expect(readControllerSettings(settingsOf(objects, "cedana-controller-settings"))).toMatchObject({
    value: {
      checkpoints: {
        engine: "criu",
        tcp: "loopback",
        runtimeClasses: { amd64: "cedana-criu-amd64" },
        restore: { restart: "fresh", lazy: false, timeoutSeconds: 300 },
      },
      restore: { namespaces: ["default"] },
    },
  });
});

test("creates a RuntimeClass for each architecture, of nodes with the agent, and none that is false", () => {
  const classes = (objects: readonly KubernetesObject[]) =>
    objects
      .filter(({ kind }) => kind === "RuntimeClass")
      .map(({ metadata, handler, scheduling }) => [metadata.name, handler, scheduling]);
  const nodeSelector = { team: "a" };
  expect(classes(synthCriu({ nodeSelector }, { runtimeClasses: { amd64: false, arm64: "own" } }))).toEqual([
    ["own", "cedana-criu", { nodeSelector: { ...nodeSelector, "kubernetes.io/arch": "arm64" } }],
  ]);
  expect(names(synthCriu(), "RuntimeClass")).toEqual(["cedana-criu-amd64", "cedana-criu-arm64"]);
});

test("creates no privileged container, gives only criu-check capabilities, and mounts no file of a checkpoint", () => {
  for (const { pod } of pods(synthCriu())) {
    for (const key of ["hostPID", "hostIPC", "hostNetwork"]) expect(pod).not.toHaveProperty(key);
    for (const { name, securityContext } of [...(pod.initContainers ?? []), ...pod.containers]) {
      expect(securityContext.privileged).toBeUndefined();
      const added = securityContext.capabilities.add;
      expect(added).toEqual(name === "criu-check" ? ["NET_ADMIN", "SYS_ADMIN"] : undefined);
    }
    const paths = pod.volumes.flatMap(({ hostPath }) => (hostPath ? [hostPath.path] : []));
    // The agent's own directory is the only one below /var/lib/cedana-cdk.
    expect(paths.filter((path) => path.startsWith("/var/lib"))).toEqual(["/var/lib/cedana-cdk/agent"]);
  }
});

test("gives the socket of the host service to the helper, and the one that only returns its state to the health check", () => {
  const mounted = (path: string) =>
    pods(synthCriu()).flatMap(({ pod }) =>
      pod.containers
        .filter(({ volumeMounts = [] }) =>
          volumeMounts.some(({ mountPath }) => mountPath === path || path.startsWith(`${mountPath}/`)),
        )
        .map(({ name }) => name),
    );
  expect(mounted("/run/cedana-cdk/node")).toEqual(["helper"]);
  expect(mounted("/run/cedana-cdk/state")).toEqual(["criu-check"]);
});

test("lets the agent write the status of requests, and neither call the kubelet nor read in the whole cluster", () => {
  const objects = synthCriu();
  expect(names(objects, "ClusterRole")).not.toContain("cedana-agent");
  expect(names(synthOpen(), "ClusterRole")).toContain("cedana-agent");
  const role = objects.find(({ kind, metadata }) => kind === "Role" && metadata.name === "cedana-agent");
  expect(role?.["rules"]).toEqual([
    {
      apiGroups: ["automation.cedana.ai"],
      resources: ["nodecheckpoints", "noderestores"],
      verbs: ["get", "list", "watch"],
    },
    {
      apiGroups: ["automation.cedana.ai"],
      resources: ["nodecheckpoints/status", "noderestores/status"],
      verbs: ["patch"],
    },
  ]);
});

test("permits the controller to create NodeRestores only if pods can be restored", () => {
  const role = "cedana-controller-node-restores";
  expect(names(synthCriu(), "Role")).toContain(role);
  expect(names(synthCriu({ restore: false }), "Role")).not.toContain(role);
});

test("removes CRIU and checkpoints from nodes, and keeps the wrapper that running containers need", () => {
  const chart = new Chart(Testing.app(), "removal");
  new CriuAgentRemoval(chart, "removal", { engine: CRIU, install: CONTROLLER });
  const [removal] = pods(chart.toJson() as KubernetesObject[]);
  const [uninstall, state] = removal?.pod.initContainers ?? [];
  expect(uninstall?.args).toEqual(["uninstall", "/host/opt/cedana-cdk"]);
  expect(uninstall?.volumeMounts?.map(({ mountPath }) => mountPath)).not.toContain("/host/usr/local/bin");
  const data = ["agent", "checkpoints", "journal", "restore"].map(
    (name) => `/host/var/lib/cedana-cdk/${name}`,
  );
  expect(state?.command?.at(-1)).toBe(`rm -rf ${data.join(" ")}`);
});
