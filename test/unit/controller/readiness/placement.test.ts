import {
  exclusionOf,
  placementOf,
  type RawPlacement,
} from "../../../../controller/readiness/rules/placement";
import { node, OURS } from "./support";

const GPU = { key: "dedicated", value: "gpu", effect: "NoSchedule" };
const labels = { "cedana.ai/enabled": "true", zone: "a", cores: "8" };
const at = node({ labels, taints: [OURS, GPU] });
const ANY = [{ operator: "Exists" }];
const affinity = (...nodeSelectorTerms: object[]): RawPlacement => ({
  tolerations: ANY,
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
});
const expression = (key: string, operator: string, ...values: string[]) => ({
  matchExpressions: [{ key, operator, values }],
});

test.each<[string, RawPlacement, string | undefined]>([
  ["no constraint", { tolerations: ANY }, undefined],
  ["a selector that matches", { nodeSelector: { zone: "a" }, tolerations: ANY }, undefined],
  [
    "a selector with another value, and one without a label",
    { nodeSelector: { zone: "b", pool: "gpu" }, tolerations: ANY },
    "nodeSelector requires zone=b, and the node has zone=a; nodeSelector requires pool=gpu, and the node has no label pool",
  ],
  ["one of two terms", affinity(expression("zone", "In", "b"), expression("zone", "In", "a")), undefined],
  [
    "none of two terms",
    affinity(expression("zone", "NotIn", "a"), {
      matchFields: [{ key: "metadata.name", operator: "In", values: ["n2"] }],
    }),
    "affinity term 1 requires zone NotIn [a], and the node has zone=a; affinity term 2 requires metadata.name In [n2], and the node has the name n1",
  ],
  [
    "its own name",
    affinity({ matchFields: [{ key: "metadata.name", operator: "In", values: ["n1"] }] }),
    undefined,
  ],
  [
    "a label that must not exist",
    affinity(expression("zone", "DoesNotExist")),
    "affinity term 1 requires zone DoesNotExist, and the node has zone=a",
  ],
  [
    "a label that is missing",
    affinity(expression("pool", "Exists")),
    "affinity term 1 requires pool Exists, and the node has no label pool",
  ],
  [
    "numbers in range",
    affinity({
      matchExpressions: [
        { key: "cores", operator: "Gt", values: ["4"] },
        { key: "cores", operator: "Lt", values: ["9"] },
      ],
    }),
    undefined,
  ],
  [
    "a number out of range",
    affinity(expression("cores", "Gt", "8")),
    "affinity term 1 requires cores Gt [8], and the node has cores=8",
  ],
  [
    "a missing number",
    affinity(expression("pool", "Lt", "8")),
    "affinity term 1 requires pool Lt [8], and the node has no label pool",
  ],
  ["NotIn of a missing label", affinity(expression("pool", "NotIn", "gpu")), undefined],
  [
    "an unknown operator, which is not named as the cause",
    affinity(expression("zone", "Matches", "b")),
    undefined,
  ],
  ["no term", affinity(), "affinity has no term, so it matches no node"],
  ["an empty term", affinity({}), "affinity term 1 is empty, so it matches no node"],
  [
    "a tolerated taint, by key, value and effect",
    { tolerations: [{ key: OURS.key, operator: "Exists" }, GPU] },
    undefined,
  ],
  [
    "no toleration",
    {},
    "tolerations lack the node's taint cedana.ai/not-ready=true:NoSchedule, dedicated=gpu:NoSchedule",
  ],
  [
    "a toleration of another value",
    {
      tolerations: [
        { key: OURS.key, operator: "Exists" },
        { ...GPU, value: "cpu" },
      ],
    },
    "tolerations lack the node's taint dedicated=gpu:NoSchedule",
  ],
  [
    "a toleration of another effect",
    {
      tolerations: [
        { key: OURS.key, operator: "Exists" },
        { ...GPU, effect: "NoExecute" },
      ],
    },
    "tolerations lack the node's taint dedicated=gpu:NoSchedule",
  ],
])("a DaemonSet with %s", (_, placement, expected) => {
  expect(exclusionOf(at, placementOf(placement))).toBe(expected);
});

test("taints that the DaemonSet controller tolerates, or that only prefer other nodes, exclude no node", () => {
  const taints = [
    { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" },
    { key: "node.kubernetes.io/not-ready", effect: "NoExecute" },
    { key: "spot", effect: "PreferNoSchedule" },
  ];
  expect(exclusionOf(node({ taints }), placementOf())).toBeUndefined();
  const network = node({ taints: [{ key: "node.kubernetes.io/network-unavailable", effect: "NoSchedule" }] });
  expect(exclusionOf(network, placementOf({ hostNetwork: true }))).toBeUndefined();
  expect(exclusionOf(network, placementOf())).toMatch(/network-unavailable/);
});
