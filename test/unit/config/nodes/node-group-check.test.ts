import { checkNodeGroup, nodeGroupSchema, type NodeGroupSpec } from "../../../../config";
import { formatProblem } from "../../../../config/schema/problem";
import { check } from "../../../../config/schema";

const group = (spec: Partial<NodeGroupSpec> = {}): NodeGroupSpec => ({
  name: "a",
  instanceTypes: ["m7i.large"],
  scaling: { min: 1, max: 3 },
  ...spec,
});

const problemsOf = (spec: unknown, kubernetesVersion = "1.34") =>
  check(nodeGroupSchema, spec, (value) => checkNodeGroup(value, { kubernetesVersion })).problems ?? [];
const codes = (spec: Partial<NodeGroupSpec>, version?: string) =>
  problemsOf(group(spec), version).map(({ code, path }) => `${path.join(".")} ${code}`);

test("accepts a group with only the required properties", () => {
  expect(problemsOf(group())).toEqual([]);
});

const LATER = "${TfToken[TOKEN.7]}";

test("accepts values that only Terraform knows", () => {
  const config = { shutdownGracePeriod: LATER, shutdownGracePeriodCriticalPods: "30s" };
  expect(
    codes({
      kubelet: { flags: [LATER, `--v=${LATER}`], config },
      subnetIds: [LATER],
      securityGroupIds: [LATER],
      rolePolicyArns: [LATER],
      labels: { team: LATER },
      taints: [{ key: "team", value: LATER, effect: "NoSchedule" }],
      rootVolume: { kmsKeyArn: LATER },
    }),
  ).toEqual([]);
});

test.each<[string, Partial<NodeGroupSpec>, string[]]>([
  ["a version that only Terraform knows", { version: LATER }, ["version unresolved-token"]],
  ["a Mac", { instanceTypes: ["mac2-m2.metal"] }, ["instanceTypes.0 unknown-instance-type"]],
  [
    "a label without a value",
    { labels: { "example.com/x": "" } },
    ["labels.example.com/x empty-label-value"],
  ],
  [
    "a label longer than EKS accepts",
    { labels: { [`example.com/${"a".repeat(60)}`]: "x" } },
    [`labels.example.com/${"a".repeat(60)} label-key-too-long`],
  ],
  [
    "a policy, a subnet and a security group twice",
    {
      rolePolicyArns: ["arn:aws:iam::aws:policy/X", "arn:aws:iam::aws:policy/X"],
      subnetIds: ["subnet-0a1b2c3d", "subnet-0a1b2c3d"],
      securityGroupIds: ["sg-0a1b2c3d", "sg-0a1b2c3d"],
    },
    ["rolePolicyArns.1 duplicate", "subnetIds.1 duplicate", "securityGroupIds.1 duplicate"],
  ],
  ["min above max", { scaling: { min: 4, max: 3 } }, ["scaling.min min-above-max"]],
  [
    "desired above max",
    { scaling: { min: 1, max: 3, desired: { initial: 4 } } },
    ["scaling.desired.initial desired-out-of-range"],
  ],
  [
    "desired below min",
    { scaling: { min: 2, max: 3, desired: { managed: 1 } } },
    ["scaling.desired.managed desired-out-of-range"],
  ],
  [
    "mixed architectures",
    { instanceTypes: ["m7i.large", "m7g.large"] },
    ["instanceTypes.1 mixed-architectures"],
  ],
  [
    "GPU and CPU types in one group",
    { instanceTypes: ["m7i.large", "g5.xlarge"] },
    ["instanceTypes.1 mixed-accelerators"],
  ],
  ["the NVIDIA image on CPU types", { accelerator: "nvidia" }, ["instanceTypes.0 mixed-accelerators"]],
  [
    "the standard image on GPU types",
    { instanceTypes: ["g5.xlarge"], accelerator: "none" },
    ["instanceTypes.0 mixed-accelerators"],
  ],
  ["an unknown instance type", { instanceTypes: ["q1.large"] }, ["instanceTypes.0 unknown-instance-type"]],
  [
    "a stated architecture that contradicts the instance type",
    { architecture: "arm64" },
    ["instanceTypes.0 mixed-architectures"],
  ],
  ["a version newer than the cluster", { version: "1.35" }, ["version version-skew"]],
  ["a version whose support has ended", { version: "1.31" }, ["version unsupported-version"]],
  [
    "a release for another minor",
    { ami: { releaseVersion: "1.33.5-20260714" } },
    ["ami.releaseVersion ami-release-mismatch"],
  ],
  [
    "an image of Amazon Linux 2 with an old kernel, cgroup v1 and containerd 1",
    {
      ami: {
        id: "ami-0a1b2c3d4e5f60718",
        family: "AL2",
        kernel: "5.10",
        cgroup: "v1",
        containerd: "1.7",
      },
    },
    [
      "ami.family unsupported-family",
      "ami.kernel old-kernel",
      "ami.cgroup cgroup-v1",
      "ami.containerd old-containerd",
    ],
  ],
  ...["2.0", "2.4", "3.0"].map((containerd): [string, Partial<NodeGroupSpec>, string[]] => [
    `an image whose containerd ${containerd} cannot restore, for the engine kubelet`,
    { engine: "kubelet", ami: { id: "ami-0a1b2c3d4e5f60718", kernel: "6.12", cgroup: "v2", containerd } },
    ["ami.containerd containerd-without-restore"],
  ]),
  ...["2.1", "2.3"].map((containerd): [string, Partial<NodeGroupSpec>, string[]] => [
    `no problem of an image whose containerd ${containerd} can restore`,
    { engine: "kubelet", ami: { id: "ami-0a1b2c3d4e5f60718", kernel: "6.12", cgroup: "v2", containerd } },
    [],
  ]),
  [
    "an expression that the maxPods of EKS would override",
    { kubelet: { maxPodsExpression: "max_enis * 10" } },
    ["kubelet.maxPodsExpression max-pods-ignored"],
  ],
  [
    "a custom image without its properties",
    { ami: { id: "ami-0a1b2c3d4e5f60718" } as NodeGroupSpec["ami"] },
    ["ami.kernel missing", "ami.cgroup missing", "ami.containerd missing"],
  ],
  [
    "a script for after nodeadm without a custom image",
    { postNodeadm: ["#!/bin/sh\n"] },
    ["postNodeadm post-nodeadm-ignored"],
  ],
  [
    "a capacity block without its reservation, with two instance types",
    {
      capacityType: "CAPACITY_BLOCK",
      instanceTypes: ["p5.48xlarge", "p4d.24xlarge"],
    },
    ["capacityReservation missing", "instanceTypes multiple-instance-types"],
  ],
  [
    "a reservation of spot instances",
    {
      capacityType: "SPOT",
      capacityReservation: { id: "cr-0a1b2c3d4e5f60718" },
    },
    ["capacityReservation mutually-exclusive"],
  ],
  ["io2 without iops", { rootVolume: { type: "io2" } }, ["rootVolume.iops missing"]],
  [
    "more throughput than the iops allow",
    { rootVolume: { throughputMiBps: 1000 } },
    ["rootVolume.throughputMiBps out-of-range"],
  ],
  [
    "throughput for io1",
    { rootVolume: { type: "io1", iops: 1000, throughputMiBps: 200 } },
    ["rootVolume.throughputMiBps unsupported-by-volume-type"],
  ],
  [
    "more iops than the size allows",
    { rootVolume: { sizeGiB: 20, iops: 12_000 } },
    ["rootVolume.iops out-of-range"],
  ],
  [
    "a flag that overrides the taints",
    { kubelet: { flags: ["--register-with-taints=a:NoSchedule"] } },
    ["kubelet.flags.0 reserved-flag"],
  ],
  ["a value that is not a flag", { kubelet: { flags: ["v=4"] } }, ["kubelet.flags.0 invalid-kubelet-flag"]],
  [
    "taints in a flag in addition to the toolkit's",
    { kubelet: { config: { registerWithTaints: [] } } },
    ["kubelet.config.registerWithTaints reserved-field"],
  ],
  [
    "two equal taints",
    {
      taints: [
        { key: "a", value: "1", effect: "NoSchedule" },
        { key: "a", value: "2", effect: "NoSchedule" },
        { key: "a", effect: "NoExecute" },
      ],
    },
    ["taints.1 duplicate-taint"],
  ],
  [
    "a taint that is the startup taint",
    { taints: [{ key: "cedana.ai/not-ready", effect: "NoSchedule" }] },
    ["taints.0 duplicate-taint"],
  ],
  [
    "a grace period for critical pods that is longer than the total",
    {
      kubelet: {
        config: {
          shutdownGracePeriod: "1m",
          shutdownGracePeriodCriticalPods: "61s",
        },
      },
    },
    ["kubelet.config.shutdownGracePeriodCriticalPods out-of-range"],
  ],
])("reports %s", (_what, spec, expected) => {
  expect(codes(spec)).toEqual(expected);
});

test.each([
  [{ labels: { "kubernetes.io/role": "x" } }, "reserved-label"],
  [{ labels: { "node-role.kubernetes.io/worker": "" } }, "reserved-label"],
  [{ labels: { "eks.amazonaws.com/x": "y" } }, "reserved-label"],
  [{ labels: { "karpenter.sh/x": "y" } }, "reserved-label"],
  [{ labels: { "a b": "y" } }, "invalid-label-key"],
  [{ labels: { a: "-" } }, "invalid-label-value"],
  [{ taints: [{ key: "node.kubernetes.io/not-ready", effect: "NoSchedule" }] }, "reserved-taint"],
  [{ taints: [{ key: "a", effect: "NO_SCHEDULE" }] }, "not-allowed"],
  [{ ami: { id: "ami-1" } }, "invalid-ami-id"],
  [{ sysctls: { "a b": "1" } }, "invalid-sysctl-name"],
  [{ preNodeadm: ["echo"] }, "missing-interpreter"],
  [{ tags: { "aws:x": "y" } }, "invalid-tag-key"],
  [{ desiredSize: 3 }, "unknown-key"],
])("%j: %s", (spec, code) => {
  expect(problemsOf({ ...group(), ...spec }).map((problem) => problem.code)).toContain(code);
});

test.each<[NonNullable<NodeGroupSpec["kubelet"]>["config"], string]>([
  [{ kubeReserved: { memory: "1K" } }, "kubeReserved.memory invalid-quantity"],
  [{ containerLogMaxSize: "10MB" }, "containerLogMaxSize invalid-quantity"],
  [
    { evictionHard: { "memory.available": "1K" } },
    "evictionHard.memory.available invalid-eviction-threshold",
  ],
  [{ evictionHard: { "memory.available": "0" } }, "evictionHard.memory.available invalid-eviction-threshold"],
  [
    { evictionSoft: { "nodefs.available": "101%" } },
    "evictionSoft.nodefs.available invalid-eviction-threshold",
  ],
  [
    { evictionSoft: { "nodefs.available": "NaN%" } },
    "evictionSoft.nodefs.available invalid-eviction-threshold",
  ],
  [
    { evictionMinimumReclaim: { "nodefs.available": "-1Gi" } },
    "evictionMinimumReclaim.nodefs.available invalid-eviction-threshold",
  ],
  [{ cpuCFSQuotaPeriod: "100" }, "cpuCFSQuotaPeriod invalid-cfs-quota-period"],
  [{ cpuCFSQuotaPeriod: "1001ms" }, "cpuCFSQuotaPeriod invalid-cfs-quota-period"],
  [{ memoryThrottlingFactor: Number.POSITIVE_INFINITY }, "memoryThrottlingFactor out-of-range"],
  [{ memoryThrottlingFactor: 0 }, "memoryThrottlingFactor out-of-range"],
  [{ memoryThrottlingFactor: Number.NaN }, "memoryThrottlingFactor wrong-type"],
  [{ syncFrequency: "9999999999h" }, "syncFrequency invalid-duration"],
  [
    {
      shutdownGracePeriodByPodPriority: [{ priority: 0.5, shutdownGracePeriodSeconds: 1 }],
    },
    "shutdownGracePeriodByPodPriority.0.priority out-of-range",
  ],
])("rejects what would stop the kubelet: %j", (config, problem) => {
  expect(codes({ kubelet: { config } })).toEqual([`kubelet.config.${problem}`]);
});

test("accepts amounts as the kubelet reads them", () => {
  const config = {
    kubeReserved: { cpu: "100m", memory: "1.5Gi", pid: "1e3" },
    evictionHard: {
      "memory.available": "100Mi",
      "nodefs.available": "10%",
      "imagefs.available": "0.5%",
    },
    evictionMinimumReclaim: { "nodefs.available": "0" },
    cpuCFSQuotaPeriod: "1s",
    memoryThrottlingFactor: 0.9,
    shutdownGracePeriodByPodPriority: [{ priority: -2_147_483_648, shutdownGracePeriodSeconds: 1 }],
  };
  expect(codes({ kubelet: { config } })).toEqual([]);
});

test.each(["node.kubernetes.io/pool", "kubelet.kubernetes.io/x", "example.com/a", "plain"])(
  "accepts %s as a label",
  (key) => {
    expect(problemsOf(group({ labels: { [key]: "x" } }))).toEqual([]);
  },
);

test("accepts an unknown instance type if its properties are stated", () => {
  expect(
    codes({
      instanceTypes: ["q1.large"],
      architecture: "arm64",
      accelerator: "none",
    }),
  ).toEqual([]);
});

test("accepts a kubelet up to three minors older than the cluster", () => {
  const codesIn = (version: string, cluster: string, ami?: object) =>
    problemsOf({ ...group({ version }), ...(ami && { ami }) }, cluster).map(({ code }) => code);
  expect(codesIn("1.34", "1.37")).toEqual([]);
  expect(codesIn("1.33", "1.37")).toEqual(["version-skew"]);
  const custom = {
    id: "ami-0a1b2c3d4e5f60718",
    kernel: "6.12",
    cgroup: "v2",
    containerd: "2.2",
  };
  expect(codesIn("1.31", "1.34", custom)).toEqual([]);
  expect(codesIn("1.31", "1.35", custom)).toEqual(["version-skew"]);
});

test("skips checks of values that only Terraform knows", () => {
  const token = "${TfToken[TOKEN.1]}";
  expect(
    codes({
      ami: { id: token, kernel: token, cgroup: "v2", containerd: token },
    }),
  ).toEqual([]);
});

test("reports what is wrong, what was given, what is allowed, and a remedy", () => {
  const spec = group({
    instanceTypes: ["m7i.large", "m7g.large"],
    postNodeadm: ["#!/bin/sh\n"],
    ami: { releaseVersion: "1.33.5-20260714" },
  });
  expect(problemsOf(spec).map(formatProblem)).toMatchInlineSnapshot(`
    [
      "ami.releaseVersion  is not a release for Kubernetes 1.34; given: 1.33.5-20260714; allowed: 1.34.<patch>-<date>",
      "instanceTypes[1]  is arm64, but m7i.large is x86_64; given: m7g.large; create a separate group for each architecture: a group has one AMI",
      "postNodeadm  has no effect without a custom AMI: EKS drops the scripts; given: 1 script; allowed: only with ami.id; use preNodeadm, or a custom AMI",
    ]
  `);
});
