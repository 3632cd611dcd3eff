import { Chart, Testing } from "cdk8s";
import { karpenterNodeRoleName, type NodePoolSpec } from "../../../../config";
import { NodePools } from "../../../../constructs/kubernetes/integrations/karpenter";

const POOL: NodePoolSpec = { name: "gpu", amiVersion: "v20260714", instanceTypes: ["g6e.xlarge"] };

interface Objects {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Record<string, unknown>;
}

function synth(...nodePools: NodePoolSpec[]): Objects[] {
  const chart = new Chart(Testing.app(), "pools");
  new NodePools(chart, "pools", { clusterName: "training", kubernetesVersion: "1.34", nodePools });
  return Testing.synth(chart) as Objects[];
}

const problems = (pool: object): string => {
  try {
    synth({ ...POOL, ...pool });
    return "";
  } catch (error) {
    return (error as Error).message;
  }
};

test("creates a GPU pool by default", () => {
  const [nodeClass, nodePool] = synth(POOL);
  expect(nodeClass).toMatchObject({
    kind: "EC2NodeClass",
    spec: {
      amiSelectorTerms: [{ alias: "al2023@v20260714" }],
      role: karpenterNodeRoleName("training"),
      subnetSelectorTerms: [{ tags: { "karpenter.sh/discovery": "training" } }],
      securityGroupSelectorTerms: [{ tags: { "karpenter.sh/discovery": "training" } }],
      metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 },
      blockDeviceMappings: [{ ebs: { encrypted: true, volumeSize: "100Gi", volumeType: "gp3" } }],
    },
  });
  expect(nodeClass?.spec).not.toHaveProperty("kubelet");
  expect(nodePool).toMatchObject({
    kind: "NodePool",
    spec: {
      template: {
        metadata: { labels: { "cedana.ai/enabled": "true" } },
        spec: {
          nodeClassRef: { group: "karpenter.k8s.aws", kind: "EC2NodeClass", name: "gpu" },
          startupTaints: [{ key: "cedana.ai/not-ready", value: "true", effect: "NoSchedule" }],
          terminationGracePeriod: "20m",
        },
      },
      disruption: {
        consolidationPolicy: "WhenEmpty",
        budgets: [{ nodes: "10%" }, { nodes: "1", reasons: ["Drifted"] }],
      },
    },
  });
});

test("writes architecture and capacity type as requirements", () => {
  const [, nodePool] = synth({ ...POOL, instanceTypes: ["m8g.large"], capacityTypes: ["spot"] });
  const { requirements } = (nodePool!.spec as { template: { spec: { requirements: object[] } } }).template
    .spec;
  expect(requirements).toEqual([
    { key: "kubernetes.io/os", operator: "In", values: ["linux"] },
    { key: "kubernetes.io/arch", operator: "In", values: ["arm64"] },
    { key: "karpenter.sh/capacity-type", operator: "In", values: ["spot"] },
    { key: "node.kubernetes.io/instance-type", operator: "In", values: ["m8g.large"] },
  ]);
});

test("writes kubelet settings where Karpenter 1.14 reads them", () => {
  const [nodeClass] = synth({
    ...POOL,
    kubelet: { config: { maxPods: 50, runtimeRequestTimeout: "15m" } },
    instance: { localStorage: { strategy: "RAID0" } },
  });
  expect(nodeClass?.spec["kubelet"]).toEqual({ maxPods: 50 });
  expect(nodeClass?.spec["instanceStorePolicy"]).toBe("RAID0");
  expect(nodeClass?.spec["userData"]).toContain("runtimeRequestTimeout: 15m");
  expect(nodeClass?.spec["userData"]).not.toContain("maxPods");
});

test("writes no label, taint or user data for a pool with checkpointing: false", () => {
  const [nodeClass, nodePool] = synth({ ...POOL, checkpointing: false });
  expect(nodeClass?.spec).not.toHaveProperty("userData");
  expect(JSON.stringify(nodePool)).not.toContain("cedana");
});

test.each<[object, string]>([
  [{ amiVersion: "latest" }, "is not a release of the EKS AMI"],
  [{ terminationGracePeriod: "5m" }, "is shorter than the longest checkpoint"],
  [{ kubelet: { config: { runtimeRequestTimeout: "1h" } } }, "is shorter than the longest checkpoint"],
  [{ instanceTypes: ["m7i.large", "m7g.large"] }, "is arm64, but m7i.large is x86_64"],
  [
    { requirements: [{ key: "kubernetes.io/arch", operator: "In", values: ["arm64"] }] },
    "is set by the toolkit",
  ],
  [
    { requirements: [{ key: "a", operator: "Exists", values: ["x"] }] },
    "has the wrong number of items for the operator Exists; given: 1;",
  ],
  [
    { requirements: [{ key: "a", operator: "Gt", values: [] }] },
    "has the wrong number of items for the operator Gt; given: 0;",
  ],
  [{ requirements: [{ key: "a", operator: "Gt", values: ["1K"] }] }, "is not an integer"],
  [{ requirements: [{ key: "a", operator: "Lte", values: ["-1"] }] }, "is not an integer"],
  [{ limits: { memory: "1000K" } }, "is not a Kubernetes quantity"],
  [{ disruption: { budgets: [{ nodes: "1", schedule: "@daily" }] } }, "only one of schedule and duration"],
  [{ instance: { localStorage: { strategy: "Mount" } } }, "is not supported by Karpenter"],
  [{ capacityTypes: ["reserved"] }, "is required for the capacity type reserved"],
  [{ capacityReservations: [{ id: "cr-1" }] }, "has no effect: capacityTypes does not contain reserved"],
  [{ labels: { "karpenter.k8s.aws/instance-cpu": "4" } }, "is a label that a kubelet must not set"],
])("rejects %j", (pool, message) => {
  expect(problems(pool)).toContain(message);
});

test("rejects a cluster version that EKS no longer supports", () => {
  const chart = new Chart(Testing.app(), "pools");
  const props = { clusterName: "training", kubernetesVersion: "1.31", nodePools: [POOL] };
  expect(() => new NodePools(chart, "pools", props)).toThrow(
    /kubernetesVersion {2}is a Kubernetes version that EKS no longer supports/,
  );
});

test("rejects two pools with the same name", () => {
  expect(() => synth(POOL, POOL)).toThrow(/nodePools\[1\]\.name {2}is already the name of nodePools\[0\]/);
});

test("accepts two pools whose names have a common prefix", () => {
  expect(
    synth({ ...POOL, name: "a" }, { ...POOL, name: "a-class" }, { ...POOL, name: "a--class" }),
  ).toHaveLength(6);
});

test("rejects maxPodsExpression, which Karpenter does not support, and accepts a grace period that only Terraform knows", () => {
  expect(problems({ kubelet: { maxPodsExpression: "max_pods" } })).toContain("is not supported by Karpenter");
  expect(problems({ terminationGracePeriod: "${TfToken[TOKEN.1]}" })).toBe("");
});
