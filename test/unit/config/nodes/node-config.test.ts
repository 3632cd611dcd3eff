import { parse } from "smol-toml";
import { nodeConfigSchema, runtimeOf } from "../../../../config";
import { renderRuntimeHandler } from "../../../../render";
import { formatProblem } from "../../../../config/schema/problem";
import { check } from "../../../../config/schema";

const lines = (spec: unknown) =>
  check(nodeConfigSchema, {
    apiVersion: "node.eks.aws/v1alpha1",
    kind: "NodeConfig",
    spec,
  }).problems?.map(formatProblem);

test("accepts a NodeConfig with all properties", () => {
  expect(
    lines({
      cluster: {
        name: "a",
        apiServerEndpoint: "https://example.com",
        certificateAuthority: "Y2VydA==",
        cidr: "fd00::/108",
      },
      kubelet: {
        config: {
          runtimeRequestTimeout: "10m0s",
          featureGates: { ContainerCheckpoint: true },
        },
        flags: ["--v=4"],
        maxPodsExpression: "max_enis * 10",
      },
      containerd: {
        config: "[metrics]\naddress = '127.0.0.1:1338'\n",
        baseRuntimeSpec: { process: {} },
      },
      instance: {
        localStorage: { strategy: "Mount", disabledMounts: ["SOCI"] },
        environment: { default: { A: "b" } },
      },
      featureGates: { FastImagePull: true },
    }),
  ).toBeUndefined();
});

test("rejects properties that nodeadm would ignore silently", () => {
  expect(
    lines({
      clustr: {},
      kubelet: {
        config: {
          runtimeRequestTimout: "10m",
          cgroupDriver: "cgroupfs",
          maxPods: "110",
        },
        flag: [],
      },
      instance: { localStorage: { strategy: "raid0" } },
      featureGates: { FastImagePulls: true },
    })?.map((line) => line.replace(/allowed: .{200,}?;/, "allowed: ...;").slice(0, 140)),
  ).toMatchInlineSnapshot(`
    [
      "spec.kubelet.config.maxPods  is not an integer; given: "110"; allowed: an integer",
      "spec.kubelet.config.runtimeRequestTimout  is not a known property; allowed: ...; did you mean runtimeRequestTimeout?",
      "spec.kubelet.config.cgroupDriver  is not a known property; allowed: allowedUnsafeSysctls, containerLogMaxFiles, containerLogMaxSize, contain",
      "spec.kubelet.flag  is not a known property; allowed: config, flags, maxPodsExpression; did you mean flags?",
      "spec.instance.localStorage.strategy  is not one of the allowed values; given: "raid0"; allowed: RAID0, RAID10, Mount; did you mean RAID0?",
      "spec.featureGates.FastImagePulls  is not a known property; allowed: InstanceIdNodeName, FastImagePull; did you mean FastImagePull?",
      "spec.clustr  is not a known property; allowed: cluster, kubelet, containerd, instance, featureGates; did you mean cluster?",
    ]
  `);
});

test.each([
  ["[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.x]\na = 1\n", "containerd-schema-v2"],
  ['[plugins."io.containerd.grpc.v1.cri".registry]\na = 1\n', "containerd-schema-v2"],
  ['[plugins."io.containerd.grpc.v1.cri"]\nenable_selinux = true\n', "containerd-schema-v2"],
  ["version = 2\n", "containerd-schema-v2"],
  ["imports = [, 'x']", "invalid-toml"],
])("rejects the containerd configuration %j", (config, code) => {
  const checked = check(nodeConfigSchema, {
    apiVersion: "node.eks.aws/v1alpha1",
    kind: "NodeConfig",
    spec: { containerd: { config } },
  });
  expect(checked.problems?.map((problem) => problem.code)).toEqual([code]);
});

test.each([
  ["none", "/usr/sbin/runc"],
  ["neuron", "/usr/sbin/runc"],
  ["nvidia", "/usr/bin/nvidia-container-runtime"],
] as const)(
  "gives the runtime handler the options of the default runtime on an AMI with accelerator %s",
  (accelerator, binary) => {
    const handler = {
      name: "cedana",
      runtimeType: "io.containerd.runc.v2",
      runtimePath: "/opt/shim",
    } as const;
    expect(parse(renderRuntimeHandler(handler, runtimeOf(accelerator)))).toEqual({
      plugins: {
        "io.containerd.cri.v1.runtime": {
          containerd: {
            runtimes: {
              cedana: {
                runtime_type: "io.containerd.runc.v2",
                runtime_path: "/opt/shim",
                base_runtime_spec: "/etc/containerd/base-runtime-spec.json",
                options: { BinaryName: binary, SystemdCgroup: true },
              },
            },
          },
        },
      },
    });
  },
);

test("writes no shim for the handler unless one is configured", () => {
  const text = renderRuntimeHandler(
    {
      name: "restore",
      runtimeType: "io.containerd.runc.v2",
      runtimePath: false,
    },
    runtimeOf("none"),
  );
  expect(text).not.toContain("runtime_path");
});
