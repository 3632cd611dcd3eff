import { Chart, Testing } from "cdk8s";
import { AgentRemoval } from "../../../../constructs/kubernetes/engines/kubelet";
import { agentSettings, readAgentSettings } from "../../../../config/programs/agent";
import { HASH_ANNOTATION, readControllerSettings } from "../../../../config/programs/controller";
import {
  checkEngine,
  engineSchema,
  type KubeletEngineSpec,
  type ResolvedKubeletEngine,
} from "../../../../config/engines";
import { installSchema, type InstallSpec } from "../../../../config/install";
import { formatProblem, InvalidInputError } from "../../../../config/schema/problem";
import { check, resolve } from "../../../../config/schema";
import { CONTROLLER, KUBELET, open, synth, synthOpen, type KubernetesObject } from "./support";

interface Container {
  name: string;
  args?: string[];
  securityContext: {
    runAsUser: number;
    privileged?: boolean;
    allowPrivilegeEscalation: boolean;
    readOnlyRootFilesystem: boolean;
    capabilities: { drop: string[]; add?: string[] };
    seccompProfile: { type: string };
  };
  volumeMounts: { name: string; mountPath: string; readOnly?: true }[];
}

interface Pod extends Record<string, unknown> {
  containers: Container[];
  initContainers?: Container[];
  volumes: { name: string; hostPath?: { path: string }; projected?: object }[];
}

const daemonSets = (objects: readonly KubernetesObject[]) =>
  objects
    .filter(({ kind }) => kind === "DaemonSet")
    .map((object) => {
      const { template } = object["spec"] as {
        template: { metadata: { annotations: Record<string, string> }; spec: Pod };
      };
      return { name: object.metadata.name, annotations: template.metadata.annotations, pod: template.spec };
    });
const settingsOf = (objects: readonly KubernetesObject[], name: string) => {
  const { data } = objects.find(
    ({ kind, metadata }) => kind === "ConfigMap" && metadata.name === name,
  ) as unknown as { data: Record<string, string> };
  return data["settings.json"] ?? "";
};

test("contains no object or image of Cedana's engine", () => {
  const objects = synthOpen();
  expect(JSON.stringify(objects)).not.toMatch(/cedana-manager|core\.cedana\.ai|CEDANA_|cedana-secrets/);
  expect(objects.map(({ kind }) => kind)).not.toContain("RuntimeClass");
  expect(
    objects.filter(({ kind }) => kind === "CustomResourceDefinition").map((o) => o.metadata.name),
  ).toEqual(["checkpoints.automation.cedana.ai", "nodecheckpoints.automation.cedana.ai"]);
});

test("gives the agents the same names and labels as Cedana's engine", () => {
  const of = (objects: readonly KubernetesObject[]) =>
    objects.filter(({ kind }) => kind === "DaemonSet").map(({ metadata }) => metadata);
  expect(of(synthOpen())).toEqual(of(synth()));
});

test("writes settings that the programs read", () => {
  const objects = synthOpen(
    { agentNamespace: "agents", healthCheck: { periodSeconds: 10 } },
    { quota: "1.5Gi" },
  );
  expect(readAgentSettings(settingsOf(objects, "cedana-agent-settings"))).toMatchObject({
    value: {
      namespace: "agents",
      quotaBytes: 1.5 * 1024 ** 3,
      maxConcurrent: 2,
      registry: { credentials: "none" },
      health: { periodSeconds: 10, requireRestore: true },
    },
  });
  expect(readControllerSettings(settingsOf(objects, "cedana-controller-settings"))).toMatchObject({
    value: {
      gate: { owner: "controller" },
      checkpoints: {
        engine: "kubelet",
        agent: { namespace: "agents", repository: KUBELET.repository, timeoutSeconds: 600 },
      },
    },
  });
});

test("restarts both agents after a change of the settings, and after no other change", () => {
  const hashes = (install?: InstallSpec, engine?: Partial<KubeletEngineSpec>) =>
    daemonSets(synthOpen(install, engine)).map(({ annotations }) => annotations[HASH_ANNOTATION]);
  const [helper, healthCheck] = hashes();
  expect(helper).toMatch(/^[0-9a-f]{64}$/);
  expect(healthCheck).toBe(helper);
  expect(hashes({}, { quota: "21Gi" })).not.toEqual([helper, helper]);
  expect(hashes({ labels: { team: "a" } })).toEqual([helper, helper]);
});

test.each([
  ["none", {}, []],
  ["ecr", { repository: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/checkpoints" }, []],
  ["docker-config", { registryCredentials: { name: "push" } }, ["helper", "health-check"]],
])("configures registry credentials %s for the agents", (credentials, engine, mounted) => {
  const objects = synthOpen({}, engine);
  expect(readAgentSettings(settingsOf(objects, "cedana-agent-settings"))).toMatchObject({
    value: { registry: { credentials } },
  });
  const containers = daemonSets(objects).flatMap(({ pod }) => pod.containers);
  const with_ = containers.filter(({ volumeMounts }) =>
    volumeMounts.some(({ mountPath }) => mountPath === "/etc/cedana-registry"),
  );
  expect(with_.map(({ name }) => name)).toEqual(mounted);
});

test("creates no privileged container, and gives only criu-check capabilities", () => {
  for (const { pod } of daemonSets(synthOpen())) {
    expect(pod).not.toHaveProperty("hostPID");
    expect(pod).not.toHaveProperty("hostIPC");
    expect(pod).not.toHaveProperty("hostNetwork");
    for (const { name, securityContext: context } of [...(pod.initContainers ?? []), ...pod.containers]) {
      expect(context).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
      });
      expect(context.privileged).toBeUndefined();
      expect(context.capabilities.add).toEqual(
        name === "criu-check" ? ["NET_ADMIN", "SYS_ADMIN"] : undefined,
      );
    }
  }
});

test("gives the container with capabilities no token, and runs the health check with its token as non-root", () => {
  const token = "/var/run/secrets/kubernetes.io/serviceaccount";
  const with_ = daemonSets(synthOpen()).flatMap(({ pod }) =>
    [...(pod.initContainers ?? []), ...pod.containers].filter(({ volumeMounts }) =>
      volumeMounts.some(({ mountPath }) => mountPath === token),
    ),
  );
  expect(with_.map(({ name, securityContext }) => [name, securityContext.runAsUser])).toEqual([
    ["helper", 0],
    ["health-check", 65_532],
  ]);
});

test("mounts every volume, and has a volume for every mount", () => {
  for (const engine of [{}, { registryCredentials: { name: "push" } }, { runtime: "crio" as const }]) {
    for (const { pod } of daemonSets(synthOpen({}, engine))) {
      const mounts = [...(pod.initContainers ?? []), ...pod.containers].flatMap(({ volumeMounts }) =>
        volumeMounts.map(({ name }) => name),
      );
      const names = pod.volumes.map(({ name }) => name);
      expect(new Set(mounts)).toEqual(new Set(names));
      expect(new Set(names).size).toBe(names.length);
    }
  }
});

test("uses the node's network, where no NetworkPolicy applies, for a registry on the node", () => {
  const objects = synthOpen({}, { repository: "localhost:5000/checkpoints" });
  expect(daemonSets(objects).map(({ pod }) => pod["hostNetwork"])).toEqual([true, true]);
  expect(objects.filter(({ kind }) => kind === "NetworkPolicy").map(({ metadata }) => metadata.name)).toEqual(
    ["cedana-controller"],
  );
});

test("allows egress to the agent of EKS Pod Identity with ECR", () => {
  const policies = synthOpen({}, { repository: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/a" }).filter(
    ({ kind }) => kind === "NetworkPolicy",
  );
  expect(
    policies.filter((one) => JSON.stringify(one).includes("169.254.170.23")).map((one) => one.metadata.name),
  ).toEqual(["cedana-helper", "cedana-health-check"]);
});

test("mounts the helper's directories in the removal, whose pods no selector of the agents matches", () => {
  const chart = new Chart(Testing.app(), "removal");
  const engine = { ...KUBELET, folder: "/opt/other" };
  new AgentRemoval(chart, "removal", { engine, install: CONTROLLER });
  const [removal] = daemonSets(chart.toJson() as KubernetesObject[]);
  const [helper] = daemonSets(synthOpen({}, { folder: "/opt/other" }));
  const mounts = (pod: Pod | undefined) => pod?.initContainers?.[0]?.volumeMounts;
  expect(mounts(removal?.pod)).toEqual(mounts(helper?.pod));
  expect(removal?.pod.initContainers?.[0]?.args).toEqual(["uninstall", "/host/opt/other"]);
  const [object] = chart.toJson() as { spec: { selector: { matchLabels: object } } }[];
  expect(object?.spec.selector.matchLabels).toMatchObject({ "app.kubernetes.io/component": "agent-removal" });
});

/** Returns the problems, one line each. */
function problems(install: InstallSpec, engine: Partial<KubeletEngineSpec> = {}): string[] {
  try {
    open(install, engine);
  } catch (error) {
    if (error instanceof InvalidInputError) return error.problems.map(formatProblem);
    throw error;
  }
  return [];
}

test.each<[string, InstallSpec, Partial<KubeletEngineSpec>?]>([
  ["a missing controller", { controller: false }],
  ["the manager as owner of the gate", { readinessGate: { owner: "manager" } }],
  [
    "settings of Cedana's components",
    {
      manager: { replicas: 3 },
      helper: { image: { tag: "v1.0.0" } },
      runtimeClass: { name: "c" },
      attachAccount: {},
      existingConfigMap: "mine",
      checkpoints: { root: "/run/runc", locations: ["/mnt/a"] },
    } as InstallSpec,
  ],
  ["a variable that the toolkit sets", { helper: { env: { NODE_NAME: "a" } } }],
  ["an image without tag and digest", {}, { image: { repository: "registry.example.com/agent" } }],
  ["a repository with a tag", {}, { repository: "registry.example.com/checkpoints:1" }],
  ["a repository without a host", {}, { repository: "checkpoints" }],
  ["a repository on a port that does not exist", {}, { repository: "localhost:65536/checkpoints" }],
  ["credentials in plain text", {}, { registryCredentials: "dXNlcjpzM2NyM3Q=" as never }],
  ["a quota of a few bytes", {}, { quota: "10" }],
  ["values that are not quantities", {}, { quota: "20 GB", reserve: "much" }],
  ["a directory of the system", {}, { folder: "/usr/local/cedana" }],
  ["a directory that others share", {}, { folder: "/opt" }],
  ["a directory with a parent path", {}, { folder: "/opt/../etc" }],
  ["a runtime that the kubelet cannot checkpoint", {}, { runtime: "kata" }],
  ["a GPU setting of the other engine", {}, { gpu: "interception" }],
  ["a misspelt property", {}, { quotta: "1Gi" } as never],
])("rejects %s", (_, install, engine = {}) => {
  expect(problems(install, engine)).toMatchSnapshot();
});

test.each([
  ["50000000K", "invalid-quantity"],
  ["-20Gi", "invalid-quantity"],
  ["NaN", "invalid-quantity"],
  ["1023Ki", "out-of-range"],
  ["1048575999m", "out-of-range"],
  ["1025Ti", "out-of-range"],
  ["1e99", "out-of-range"],
  ["${TfToken[TOKEN.1]}", "unresolved-token"],
])("rejects %s as quota or reserve of the disk", (size, code) => {
  const codes = [{ quota: size }, { reserve: size }].flatMap((engine) => {
    const checked = check(engineSchema, { ...KUBELET, ...engine }, checkEngine);
    return checked.problems?.map((problem) => `${problem.path.join(".")} ${problem.code}`);
  });
  expect(codes).toEqual([`quota ${code}`, `reserve ${code}`]);
});

test.each([
  ["50000000k", 50_000_000_000],
  ["+1.5Gi", 1_610_612_736],
  ["2e9", 2_000_000_000],
  ["1048576000m", 1_048_576],
  ["1Pi", 2 ** 50],
])("passes the quota %s to the agents as %d bytes", (quota, quotaBytes) => {
  const install = resolve("install", installSchema, {});
  const engine = resolve("engine", engineSchema, { ...KUBELET, quota }, checkEngine);
  const settings = agentSettings(engine as ResolvedKubeletEngine, install);
  expect(settings.quotaBytes).toBe(quotaBytes);
  expect(readAgentSettings(JSON.stringify(settings))).toMatchObject({ value: { quotaBytes } });
  expect(readAgentSettings(JSON.stringify({ ...settings, quotaBytes: Number.NaN })).problems).toHaveLength(1);
});

test("accepts settings with their default values", () => {
  expect(
    problems({ networkPolicies: false, crds: false, agentNamespace: "agents", syncWaves: true }),
  ).toEqual([]);
});

test.each([
  [
    "Cedana's without its kind",
    { clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10", url: "https://a.example" },
  ],
  ["Cedana's without its kind, and with another fault", { clusterId: "prod", url: "https://a.example" }],
  ["an unknown kind", { ...KUBELET, kind: "kublet" }],
  ["properties of both engines", { ...KUBELET, clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10" }],
  ["nothing", {}],
  ["a value that is not a mapping", "kubelet"],
])("rejects an engine with %s", (_, engine) => {
  expect(check(engineSchema, engine).problems?.map(formatProblem)).toMatchSnapshot();
});

test("uses the engine criu without a kind", () => {
  const { kind: _, ...engine } = KUBELET;
  expect(check(engineSchema, engine)).toMatchObject({ value: { kind: "criu", quota: "20Gi" } });
});
