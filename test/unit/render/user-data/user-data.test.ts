import { execFileSync } from "node:child_process";
import { parse as parseToml } from "smol-toml";
import { parse as parseYaml } from "yaml";
import { NODE_CONFIG_TYPE, readMime, renderUserData, type Bootstrap } from "../../../../render/user-data";
import { nodeConfigSchema, nodeGroupSchema, nodePoolSchema, type NodeGroupSpec } from "../../../../config";
import { check, resolve } from "../../../../config/schema";
import { expectGolden } from "../../../support/golden";

const group = (spec: Partial<NodeGroupSpec> = {}) =>
  resolve("test", nodeGroupSchema, {
    name: "a",
    instanceTypes: ["m7i.large"],
    scaling: { min: 1, max: 3 },
    ...spec,
  });

const MANAGED: Bootstrap = { mode: "managed" };
const CUSTOM = {
  mode: "custom-ami",
  cluster: {
    name: "training",
    apiServerEndpoint: "https://0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com",
    certificateAuthority: "Y2VydGlmaWNhdGU=",
    cidr: "172.20.0.0/16",
  },
} as const satisfies Bootstrap;

const full: Partial<NodeGroupSpec> = {
  instanceTypes: ["g6e.xlarge"],
  labels: { "example.com/pool": "gpu" },
  taints: [{ key: "nvidia.com/gpu", effect: "NoSchedule" }],
  engine: "cedana",
  kubelet: {
    config: { runtimeRequestTimeout: "30m", maxPods: 50, featureGates: { ContainerCheckpoint: true } },
    flags: ["--v=4"],
  },
  containerd: {
    config: "[metrics]\naddress = '127.0.0.1:1338'\n",
    baseRuntimeSpec: { process: { rlimits: [{ type: "RLIMIT_NOFILE", soft: 65_536, hard: 65_536 }] } },
  },
  instance: { localStorage: { strategy: "RAID0", disabledMounts: ["PodLogs"] } },
  featureGates: { InstanceIdNodeName: true },
  sysctls: { "fs.pipe-max-size": "4194304" },
  preNodeadm: ['#!/bin/bash\nmodprobe "${MODULE:-overlay}"\n'],
};

test.each([
  ["managed", group(), MANAGED],
  ["managed-cedana", group({ engine: "cedana" }), MANAGED],
  ["managed-kubelet", group({ engine: "kubelet" }), MANAGED],
  ["managed-full", group(full), MANAGED],
  ["custom-ami-full", group({ ...full, postNodeadm: ["#!/bin/bash\necho done\n"] }), CUSTOM],
])("golden: %s", (name, settings, bootstrap) => {
  const text = renderUserData(settings, bootstrap) ?? "";
  expectGolden(`node/user-data-${name}.txt`, text);
  expect(readMime(text).problems).toBeUndefined();
});

test("golden: karpenter", () => {
  const pool = resolve("test", nodePoolSchema, { ...full, name: "gpu", amiVersion: "v20260714" });
  const text = renderUserData(pool, { mode: "karpenter" }) ?? "";
  expectGolden("node/user-data-karpenter.txt", text);
  expect(text).not.toContain("maxPods");
  expect(text).not.toContain("registerWithTaints");
});

test.each([
  ["managed", "kubelet"],
  ["karpenter", "kubelet"],
] as const)(
  "configures containerd to restore from images, without a handler: %s node, engine %s",
  (mode, engine) => {
    const config = { name: "a", amiVersion: "v20260714", engine } as const;
    const settings =
      mode === "managed"
        ? group({ engine })
        : resolve("test", nodePoolSchema, { ...full, ...config, containerd: {} });
    const text = renderUserData(settings, { mode });
    expect(text).toContain("enable_experimental_restore_via_create = true");
    expect(text).not.toContain("runtimes.");
  },
);

test.each(["managed", "karpenter"] as const)(
  "configures the runtime handler and the host service of the engine criu: %s node",
  (mode) => {
    const config = { ...full, engine: "criu", containerd: {} } as const;
    const settings =
      mode === "managed"
        ? group(config)
        : resolve("test", nodePoolSchema, { ...config, name: "a", amiVersion: "v20260714" });
    const parts = readMime(renderUserData(settings, { mode }) ?? "").parts ?? [];
    const [script] = parts.filter(({ content }) => content.includes("cedana-noded"));
    // The accelerator's runtime is behind the wrapper.
    expect(script?.content).toContain("echo /usr/bin/nvidia-container-runtime >/etc/cedana-cdk/runtime\n");
    execFileSync("bash", ["-n"], { input: script?.content });
    // Every unit that is to be started at a boot is enabled, and only such units.
    const units = [
      ...(script?.content ?? "").matchAll(/^cat >\/etc\/systemd\/system\/(\S+) <<'END'\n([^]*?)^END$/gm),
    ];
    const [, enabled] = /^systemctl enable --now (.*)$/m.exec(script?.content ?? "") ?? [];
    expect(enabled?.split(" ")).toEqual(
      units.filter(([, , text]) => text?.includes("[Install]")).map(([, name]) => name),
    );
    expect(enabled).toContain("cedana-runc-removal.timer");
    expect(script?.content).toContain(
      "ConditionPathExists=!/opt/cedana-cdk/current/bin/cedana-node\nConditionPathExists=/usr/local/bin/cedana-runc\n",
    );
    const documents = parts.filter(({ contentType }) => contentType === NODE_CONFIG_TYPE);
    const { spec } = parseYaml(documents[0]?.content ?? "") as { spec: { containerd: { config: string } } };
    expect(parseToml(spec.containerd.config)).toEqual({
      plugins: {
        "io.containerd.cri.v1.runtime": {
          containerd: {
            runtimes: {
              "cedana-criu": {
                runtime_type: "io.containerd.runc.v2",
                base_runtime_spec: "/etc/containerd/base-runtime-spec.json",
                pod_annotations: ["cedana.ai/*"],
                options: { BinaryName: "/usr/local/bin/cedana-runc", SystemdCgroup: true },
              },
            },
          },
        },
      },
    });
  },
);

test("writes no unit of the host service for nodes without checkpointing", () => {
  expect(renderUserData(group({ engine: "criu", checkpointing: false }), MANAGED)).toBeUndefined();
});

test("writes the key into its own table, whatever handler follows it", () => {
  const text = renderUserData(group({ engine: "kubelet", runtimeHandler: { name: "own" } }), MANAGED);
  const [, document] = readMime(text ?? "").parts?.map(({ content }) => content) ?? [];
  const { spec } = parseYaml(document ?? readMime(text ?? "").parts?.[0]?.content ?? "") as {
    spec: { containerd: { config: string } };
  };
  expect(parseToml(spec.containerd.config)).toMatchObject({
    plugins: {
      "io.containerd.cri.v1.runtime": {
        enable_experimental_restore_via_create: true,
        containerd: { runtimes: { own: { runtime_type: "io.containerd.runc.v2" } } },
      },
    },
  });
});

test.each([{ checkpointing: false }, { engine: "cedana" as const }])(
  "does not configure containerd to restore: %j",
  (more) => {
    expect(renderUserData(group(more), MANAGED) ?? "").not.toContain("restore_via_create");
  },
);

test("writes no user data for a group without checkpointing and settings", () => {
  expect(renderUserData(group({ checkpointing: false }), MANAGED)).toBeUndefined();
});

test("writes the settings of a group without checkpointing", () => {
  const text = renderUserData(group({ checkpointing: false, runtimeHandler: {}, startupTaint: {} }), MANAGED);
  expect(text).toContain("runtimes.'cedana'");
  expect(text).toContain("cedana.ai/not-ready");
  expect(text).not.toContain("runtimeRequestTimeout");
});

test("writes neither taint nor runtime handler if a group sets both to false", () => {
  const text = renderUserData(
    group({ engine: "cedana", startupTaint: false, runtimeHandler: false }),
    MANAGED,
  );
  expect(text).not.toContain("registerWithTaints");
  expect(text).not.toContain("containerd");
  expect(text).toContain("runtimeRequestTimeout: 10m");
});

test("writes grace periods by priority instead of the simple ones", () => {
  const byPriority = [{ priority: 0, shutdownGracePeriodSeconds: 60 }];
  const text = renderUserData(
    group({ kubelet: { config: { shutdownGracePeriodByPodPriority: byPriority } } }),
    MANAGED,
  );
  expect(text).not.toMatch(/shutdownGracePeriod:/);
});

test("writes only NodeConfigs that pass our strict schema", () => {
  for (const [settings, bootstrap] of [
    [group(full), MANAGED],
    [group(full), CUSTOM],
  ] as const) {
    const document = readMime(renderUserData(settings, bootstrap) ?? "");
    const configs = (document.parts ?? []).filter(({ contentType }) => contentType === NODE_CONFIG_TYPE);
    expect(configs).toHaveLength(2);
    for (const { content } of configs) {
      expect(check(nodeConfigSchema, parseYaml(content)).problems).toBeUndefined();
    }
  }
});

test("adds a plugin's name to TOML without one, because nodeadm would read it as schema 2", () => {
  const text = renderUserData(
    group({ runtimeHandler: false, containerd: { config: "[metrics]\n" } }),
    MANAGED,
  );
  expect(text).toContain("io.containerd.cri.v1.runtime");
});

test("rejects user data that is larger than EC2 accepts", () => {
  const settings = group({ preNodeadm: [`#!/bin/sh\n${"# padding\n".repeat(2000)}`] });
  expect(() => renderUserData(settings, MANAGED)).toThrow(/user data.*larger|makes the user data larger/s);
});

// EKS appends a NodeConfig with its own maxPods to a managed group's user data (eksctl-io/eksctl#8037).
test("writes maxPods of a managed group as a flag, which the NodeConfig of EKS cannot override", () => {
  const settings = group({ kubelet: { config: { maxPods: 50 } } });
  const managed = renderUserData(settings, MANAGED);
  expect(managed).toContain("- --max-pods=50");
  expect(managed).not.toContain("maxPods:");
  const custom = renderUserData(settings, CUSTOM);
  expect(custom).toContain("maxPods: 50");
  expect(custom).not.toContain("--max-pods");
});

test("writes the same bytes for mappings and taints in another order", () => {
  const forwards: Partial<NodeGroupSpec> = {
    labels: { a: "1", b: "2" },
    taints: [
      { key: "x", effect: "NoSchedule" },
      { key: "y", effect: "NoSchedule" },
    ],
    kubelet: { config: { maxPods: 9, podPidsLimit: 5, featureGates: { A: true, B: false } } },
    instance: { environment: { default: { A: "1", B: "2" } } },
    sysctls: { "kernel.a": "1", "kernel.b": "2" },
  };
  const backwards = <T>(value: T): T => {
    if (Array.isArray(value)) return value.toReversed() as T;
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value as Record<string, unknown>).toReversed();
    return Object.fromEntries(entries.map(([key, item]) => [key, backwards(item)])) as T;
  };
  for (const bootstrap of [MANAGED, CUSTOM, { mode: "karpenter" } as const]) {
    expect(renderUserData(group(backwards(forwards)), bootstrap)).toBe(
      renderUserData(group(forwards), bootstrap),
    );
  }
});

test("writes a name that Terraform inserts as text, even if it has only digits", () => {
  const cluster = { ...CUSTOM.cluster, name: "${TfToken[TOKEN.1]}" };
  const text = renderUserData(group(), { mode: "custom-ami", cluster }) ?? "";
  expect(text).toContain('name: "${TfToken[TOKEN.1]}"');
});
